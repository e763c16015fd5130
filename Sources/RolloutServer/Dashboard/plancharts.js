// The figures of a plan: one time axis for errors, share and requests, three small ones, the line
// that moves through them, and the limit that is dragged to try another.

import { h, s, speak } from "./page.js";
import { path, post } from "./server.js";
import * as words from "./words.js";
import { barFigure, cursorLine, figureTable, gaps, scale, stepFigure, ticks, timeFigure }
  from "./figures.js";
import { costEach, latency, rate, rates, shareSteps, shareTop, thumbsDown, tokensEach }
  from "./plandata.js";

const figureHeight = 250;
const pad = 8;
const plotHeight = figureHeight - 16;
/** Pixels that a pointer moves before it is a drag and not a click. */
const dragMin = 8;

/** A limit that people would write. */
const niceShare = (share) => {
  const percent = share * 100;
  const unit = percent < 2 ? 0.1 : percent < 10 ? 0.5 : 1;
  return Math.max(0.1, Math.round(percent / unit) * unit) / 100;
};

export class Charts {
  constructor(app, self) {
    this.app = app;
    this.self = self;
    /** Where the line stands, and what is being drawn over; null where none is. */
    this.cursor = Date.parse(app.query().at) || null;
    this.zoom = null;
  }

  get limit() {
    const guard = this.self.health?.guards.find((one) => one.metric === "error_rate");
    return guard ? words.limitValue("error_rate", guard.limit) : null;
  }

  get look() {
    const guard = this.self.plan.definition.guards?.find((one) => one.metric === "error_rate");
    const text = guard?.investigate;
    return text == null ? null : words.limitValue("error_rate", String(text));
  }

  // MARK: The main figure

  main(frame, bins, sums) {
    const { plan } = this.self;
    const points = rates(bins, "treatment", frame);
    const others = rates(bins, "control", frame);
    const trial = this.self.trial;
    const top = this.dragTop ?? shareTop([...points, ...others],
      Math.max(this.limit ?? 0, trial?.value ?? 0) || null);
    this.frame = frame;
    this.top = top;
    this.bins = bins;
    const sentence = this.sentence(sums);
    const alarms = (trial?.result?.alarms ?? []).map((alarm) => Date.parse(alarm.at));
    const limits = [
      this.limit != null && { name: "limit", value: this.limit,
        text: words.plainPercent(this.limit * 100) },
      this.look != null && { name: "look", value: this.look },
      trial && { name: "trial", value: trial.value, text: words.plainPercent(trial.value * 100),
        textName: "t-red" },
    ].filter(Boolean);
    const figure = timeFigure(frame, {
      height: figureHeight, pad, top, ticks: ticks(top), format: words.tickPercent, limits, sentence,
      words: true, band: points, gap: Infinity,
      gaps: gaps(bins.filter((bin) => bin.arms.treatment?.requests)
        .map((bin) => ({ at: bin.start, value: 1 })), frame.from, frame.to, frame.bin, frame.gap),
      lines: [{ name: "l-ctrl", points: others }, { name: "l-feat", points }],
      more: (x, y) => [
        alarms.map((at) => s("line", { class: "alarm", x1: `${x(at) / 10}%`, x2: `${x(at) / 10}%`,
          y1: 0, y2: "100%" })),
        this.zoomed(x), this.cursor != null && this.isInside(this.cursor) &&
          cursorLine(this.cursor, frame)],
    });
    const share = shareSteps(this.self.events ?? [], plan, frame);
    const bars = bins.map((bin) => ({ at: bin.start, all: bin.arms.treatment?.requests ?? 0,
      bad: bin.arms.treatment?.bad ?? 0 })).filter((bar) => bar.all > 0);
    const inMinutes = frame.bin / 60_000;
    return h("figure", { class: "card pad o3", "aria-labelledby": "f1", key: "errors" },
      h("div", { class: "figh" }, h("h2", { id: "f1" }, "Error rate"), legend(this.look != null)),
      h("div", this.handlers(),
        figure, this.grip(),
        h("p", { class: "small faint" }, "Have it"),
        stepFigure(frame, share, { text: words.tickPercent(share.at(-1)?.value ?? 0),
          sentence: shareSentence(share) }),
        h("p", { class: "small faint" }, "Requests"),
        barFigure(frame, bars, {
          sentence: `${words.several(sums.treatment.requests, "request")} by those who have it, ${
            words.count(sums.treatment.bad)} of them failed.`,
          format: (most) => `${words.about(most / inMinutes)}/m` })),
      h("p", { class: "readout" }, this.readout(bins) ?? sentence),
      this.trialLine(),
      figureTable("Error rate over time",
        ["Time", "Requests", "Failed", "Error rate", "95 % interval", "Without"],
        [...bins].reverse().slice(0, 120).map((bin) => tableRow(bin))));
  }

  /** What the figure says, in one sentence that changes with it. */
  sentence({ treatment, control }) {
    const span = this.app.query().from ? "In this time" : "In this range";
    if (!treatment.requests) {
      return `${span} nobody who has it asked; that is no data, and not zero errors.`;
    }
    const share = words.percent(treatment.bad / treatment.requests);
    if (treatment.requests < 60) {
      const more = /of (\d+) samples/.exec(this.self.plan.next?.waiting_on.join(" ") ?? "");
      const known = /evidence: (\d+) of/.exec(this.self.plan.next?.waiting_on.join(" ") ?? "");
      const left = more && known ? ` ${words.count(more[1] - known[1])} more make it clear.` : "";
      const { low, high } = rate({ arms: { treatment } }, "treatment");
      return `${words.count(treatment.bad)} of ${words.several(treatment.requests, "request")} failed: ` +
        `between ${words.percent(low)} and ${words.percent(high)} may be failing.${left}`;
    }
    const without = control.requests
      ? ` Without the feature: ${words.percent(control.bad / control.requests)}.`
      : " Nobody without the feature reports, so nothing can be compared.";
    return `${span} ${share} of ${words.several(treatment.requests, "request")} failed.${without}`;
  }

  isInside(at) { return at >= this.frame.from && at <= this.frame.to; }

  // MARK: The line that moves, and zooming

  handlers() {
    return {
      class: "figure-box", tabindex: 0, role: "group", key: "box",
      "aria-label": "Errors, share and requests over time. Arrow keys move a line through them.",
      onpointermove: (event) => this.move(event), onpointerdown: (event) => this.press(event),
      onpointerup: (event) => this.release(event), onpointercancel: () => this.forget(),
      onpointerleave: () => this.leave(), onkeydown: (event) => this.step(event),
    };
  }

  place(event) {
    const box = event.currentTarget.querySelector("svg.chart").getBoundingClientRect();
    const at = scale([box.left, box.right], [this.frame.from, this.frame.to])(event.clientX);
    return { at: Math.min(this.frame.to, Math.max(this.frame.from, at)),
      share: (1 - (event.clientY - box.top - pad) / plotHeight) * this.top };
  }

  move(event) {
    const { at, share } = this.place(event);
    if (this.isDragging) {
      this.self.trial = { value: niceShare(Math.min(this.top, Math.max(0.001, share))) };
    } else if (this.pressed != null && Math.abs(event.clientX - this.pressedX) > dragMin) {
      this.zoom = [this.pressed, at].sort((a, b) => a - b);
    }
    this.cursor = at;
    this.app.draw();
  }

  press(event) {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture?.(event.pointerId);
    if (event.target.closest(".dragged")) {
      event.preventDefault();
      this.isDragging = true;
      this.dragTop = this.top;
      return;
    }
    // A finger that moves scrolls the page; it zooms by the ranges.
    if (event.pointerType === "touch") return;
    this.pressed = this.place(event).at;
    this.pressedX = event.clientX;
  }

  release(event) {
    const { zoom, isDragging } = this;
    const { at } = this.place(event);
    this.forget();
    if (isDragging) {
      if (this.self.trial) this.tryLimit(this.self.trial.value);
    } else if (zoom && zoom[1] - zoom[0] > 20_000) {
      const [from, to] = zoom.map((time) => new Date(time).toISOString());
      this.cursor = null;
      this.app.set({ from, to, at: null }, { replace: false });
    } else if (event.pointerType !== "touch") this.pin(at);
  }

  forget() {
    this.pressed = null;
    this.zoom = null;
    this.isDragging = false;
    this.dragTop = null;
    this.app.draw();
  }

  leave() {
    if (this.isDragging || this.pressed != null) return;
    this.cursor = Date.parse(this.app.query().at) || null;
    this.app.draw();
  }

  /** Into the address, without asking the server anew. */
  pin(at) {
    const url = new URL(location.href);
    url.searchParams.set("at", new Date(Math.round(at / 1000) * 1000).toISOString());
    history.replaceState(null, "", url);
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.target !== event.currentTarget) return;
    if (event.key === "Escape") this.cursor = null;
    else if (event.key === "Home") this.cursor = this.frame.from;
    else if (event.key === "End") this.cursor = this.frame.to;
    else if (by) {
      const { from, to, bin } = this.frame;
      this.cursor = Math.min(to, Math.max(from, (this.cursor ?? to) + by * bin));
    } else return;
    event.preventDefault();
    speak(this.readoutText() ?? "");
    this.app.draw();
  }

  nearest() {
    if (this.cursor == null || !this.isInside(this.cursor)) return null;
    const found = this.bins.find((bin) => this.cursor >= bin.start &&
      this.cursor < bin.start + this.frame.bin);
    return found ?? { start: Math.floor(this.cursor / this.frame.bin) * this.frame.bin, arms: {} };
  }

  readoutText() {
    const bin = this.nearest();
    if (!bin) return null;
    const arm = bin.arms.treatment;
    if (!arm?.requests) return `${words.moment(bin.start)}: no request.`;
    const { low, high, value } = rate({ ...bin, at: 0 }, "treatment");
    const control = rate({ ...bin, at: 0 }, "control").value;
    const without = control == null ? "" : `, without ${words.percent(control)}`;
    return `${words.moment(bin.start)}: ${words.percent(value)} of ${
      words.several(arm.requests, "request")} failed (${words.percent(low)} to ${
      words.percent(high)})${without}.`;
  }

  readout() {
    const text = this.readoutText();
    if (!text) return null;
    const colon = text.indexOf(": ");
    return [h("b", {}, text.slice(0, colon)), text.slice(colon)];
  }

  zoomed(x) {
    if (!this.zoom) return null;
    const [left, right] = this.zoom.map((at) => x(at) / 10);
    return s("rect", { class: "zoom", x: `${left}%`, width: `${right - left}%`, y: 0,
      height: "100%" });
  }

  // MARK: Trying another limit

  /** Over the figure and not in it: a picture holds nothing that can be moved. */
  grip() {
    if (this.limit == null) return null;
    const value = this.self.trial?.value ?? this.limit;
    if (value > this.top) return null;
    const at = `${scale([0, this.top], [100, 0])(value)}%`;
    return s("svg", { class: "chart y over", height: figureHeight }, s("svg", { class: "plot", y: pad,
      height: plotHeight }, s("g", { class: "dragged", tabindex: 0, role: "slider", "aria-valuemin": 0.1,
      "aria-valuemax": Math.round(this.top * 1000) / 10, "aria-valuenow": Number((value * 100).toFixed(1)),
      "aria-valuetext": words.plainPercent(value * 100), "aria-orientation": "vertical",
      "aria-label": "Try another limit of the error rate",
      onkeydown: (event) => this.nudge(event) },
      s("line", { class: "gripline", x1: 0, x2: "100%", y1: at, y2: at }),
      s("circle", { class: "grip", cx: "99%", cy: at, r: 6 },
        s("title", {}, "Drag to try another limit")))));
  }

  nudge(event) {
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!up) return;
    event.preventDefault();
    event.stopPropagation();
    const value = this.self.trial?.value ?? this.limit;
    const unit = value < 0.02 ? 0.001 : value < 0.1 ? 0.005 : 0.01;
    this.self.trial = { value: niceShare(Math.min(1, Math.max(0.001, value + up * unit))) };
    clearTimeout(this.trying);
    this.trying = setTimeout(() => this.tryLimit(this.self.trial.value), 500);
    this.app.draw();
  }

  async tryLimit(value) {
    const { plan, feature, window } = this.self;
    const text = `${Number((value * 100).toFixed(1))}%`;
    const guards = (plan.definition.guards ?? []).map((guard) => {
      if (guard.metric !== "error_rate") return guard;
      const { investigate, ...rest } = guard;
      const keeps = investigate != null &&
        words.limitValue("error_rate", String(investigate)) < value;
      return { ...rest, max: text, ...(keeps ? { investigate } : {}) };
    });
    const trial = { value, isRunning: true };
    this.self.trial = trial;
    this.app.draw();
    try {
      trial.result = await post(path("plans", feature, "backtest"),
        { guards, since: new Date(window.from).toISOString() });
    } catch (failure) { trial.failure = failure; }
    trial.isRunning = false;
    if (this.self.trial !== trial) return;
    speak(this.trialWords());
    this.app.draw();
  }

  trialWords() {
    const { value, result, failure, isRunning } = this.self.trial;
    const at = `At ${words.plainPercent(value * 100)}`;
    if (failure) return failure.message;
    if (isRunning || !result) return `${at} …`;
    if (!result.outcomes) return `${at}: nothing is recorded of this time to try it on.`;
    const alarms = result.alarms.filter((alarm) => alarm.guard === "error_rate");
    if (!alarms.length) return `${at} it would not have stepped back in this time.`;
    const times = alarms.slice(0, 3).map((alarm) => words.moment(alarm.at)).join(", ");
    const spared = result.users_spared ? `; ${words.people(result.users_spared)} spared` : "";
    return `${at} it would have stepped back at ${times}; ${
      words.several(result.false_alarms, "false alarm")}${spared}.`;
  }

  trialLine() {
    if (!this.self.trial) return null;
    return h("div", { class: "trialsay", key: "trial" },
      h("span", {}, this.trialWords(), " ",
        h("span", { class: "muted" }, `In force: ${words.plainPercent(this.limit * 100)}.`)),
      h("button", { onclick: () => {
        this.self.trial = null;
        this.app.draw();
      } }, "End the trial"));
  }

  // MARK: Small figures

  small(frame, bins, sums) {
    const votes = sums.treatment.votes || sums.control.votes;
    return h("div", { class: "smalls o5", key: "smalls" },
      this.latency(frame, bins, sums), this.cost(frame, bins, sums),
      votes ? this.votes(frame, bins, sums) : this.noVotes());
  }

  /** The first of these guards, as number and as text. */
  guardLimit(...names) {
    const guard = this.self.health?.guards.find((one) => names.includes(one.metric));
    return guard ? { limit: words.limitValue(guard.metric, guard.limit),
      limitText: words.spaced(guard.limit) } : { limit: null };
  }

  /** One of the three: a heading, a number, a sentence that changes, lines. */
  littleFigure(frame, { id, title, value, detail, tone, lines, limit, limitText, format, sentence, extra }) {
    const values = lines.flatMap((line) => line.points.map((point) => point.value ?? 0));
    const most = Math.max(0, ...values);
    const top = Math.max(most * 1.15, limit != null && limit < most * 6 ? limit * 1.05 : 0) || 1;
    return h("figure", { class: "card pad", key: id, "aria-labelledby": id },
      h("div", { class: "figh" }, h("h2", { id }, title), extra),
      h("p", { class: "val num" }, value, " ", h("span", { class: tone ?? null }, detail)),
      timeFigure(frame, { height: 92, pad: 4, below: 12, top, lines, least: 15, format, sentence,
        limits: limit == null ? [] : [{ name: "limit", value: limit, text: limitText ?? format(limit) }] }),
      figureTable(sentence, ["Time", ...lines.map((line) => line.column ?? line.text)],
        lines[0].points.map((point, index) => [words.moment(point.at),
          ...lines.map((line) => format(line.points[index]?.value))]).reverse().slice(0, 60)));
  }

  latency(frame, bins, { treatment }) {
    const [p50, p95, p99] = treatment.timed
      ? treatment.latency.map((sum) => sum / treatment.timed) : [null, null, null];
    const names = ["l-feat3", "l-feat2", "l-feat"];
    const lines = [2, 1, 0].map((index, order) => ({ name: names[order],
      points: bins.map((bin) => latency(bin, index)), text: ["p50", "p95", "p99"][index],
      end: [p50, p95, p99][index] }));
    return this.littleFigure(frame, { id: "f2", title: "Latency", value: words.milliseconds(p95),
      detail: `p95 · p50 ${words.milliseconds(p50)} · p99 ${words.milliseconds(p99)}`, lines,
      ...this.guardLimit("latency_p95", "latency_mean", "latency_p99"),
      format: words.milliseconds,
      sentence: p95 == null ? "No latency was reported in this time."
        : `Latency: p50 about ${words.milliseconds(p50)}, p95 ${words.milliseconds(p95)}, p99 ${
          words.milliseconds(p99)}.` });
  }

  cost(frame, bins, { treatment }) {
    const showsTokens = this.showsTokens;
    const total = showsTokens ? treatment.tokens : treatment.cost;
    const each = total == null || !treatment.requests ? null : total / treatment.requests;
    const format = showsTokens ? words.count : words.cost;
    const hours = (frame.to - frame.from) / 3_600_000;
    const name = showsTokens ? "Tokens a request" : "Cost a request";
    const points = bins.map((bin) => (showsTokens ? tokensEach : costEach)(bin));
    return this.littleFigure(frame, { id: "f3", title: name, value: format(each), format,
      detail: total == null ? "nothing reported"
        : showsTokens ? `${words.about(total)} in this time`
          : `${words.dollars(total / hours)} an hour`,
      lines: [{ name: "l-feat", points, text: each == null ? "" : format(each), end: each,
        column: name }],
      ...this.guardLimit(showsTokens ? "tokens_per_request" : "cost_per_request"),
      sentence: each == null ? `${name}: nothing was reported in this time.`
        : `${name}: about ${format(each)}.`,
      extra: h("button", { class: "link small", onclick: () => {
        this.showsTokens = !showsTokens;
        this.app.draw();
      } }, showsTokens ? "Cost" : "Tokens") });
  }

  votes(frame, bins, { treatment, control }) {
    const share = (arm) => arm.votes ? arm.down / arm.votes : null;
    const [mine, theirs] = [share(treatment), share(control)];
    const points = mine != null && theirs != null ? Math.abs(mine - theirs) * 100 : null;
    const detail = points == null ? `of ${words.several(treatment.votes, "vote")}`
      : points < 0.05 ? "as many as without"
        : `${points.toFixed(1)} points ${mine < theirs ? "fewer" : "more"} than without`;
    return this.littleFigure(frame, { id: "f4", title: "Thumbs down", value: words.percent(mine),
      detail, tone: points != null && mine < theirs ? "good" : null, format: words.percent,
      ...this.guardLimit("thumbs_down_rate"),
      lines: [
        { name: "l-ctrl", points: thumbsDown(bins, "control"), text: "without",
          textName: "t-ctrl", end: theirs },
        { name: "l-feat", points: thumbsDown(bins, "treatment"), text: "with",
          end: mine }],
      sentence: `Thumbs down: ${words.percent(mine)} of ${
        words.several(treatment.votes, "vote")} with it, ${words.percent(theirs)} without.` });
  }

  noVotes() {
    return h("figure", { class: "card pad", key: "f4", "aria-labelledby": "f4" },
      h("h2", { id: "f4" }, "Votes"), h("p", { class: "val num" }, "none", " ",
        h("span", {}, "nobody voted in this time")),
      h("p", { class: "small faint" }, "POST /v1/feedback takes thumbs, and who gave up."));
  }
}

const legend = (hasLook) => h("div", { class: "legend" },
  h("span", { class: "f" }, h("i"), "with the feature"),
  h("span", { class: "b" }, h("i"), "95 % interval"),
  h("span", { class: "c" }, h("i"), "without"), h("span", { class: "l" }, h("i"), "limit"),
  hasLook && h("span", { class: "k hide-phone" }, h("i"), "look at it"));

function tableRow(bin) {
  const arm = bin.arms.treatment;
  const { value, low, high } = rate(bin, "treatment");
  return [words.moment(bin.start), words.count(arm?.requests ?? 0), words.count(arm?.bad ?? 0),
    words.percent(value), value == null ? "—" : `${words.percent(low)} – ${words.percent(high)}`,
    words.percent(rate(bin, "control").value)];
}

function shareSentence(share) {
  if (!share.length) return "Who had it in this time is not known.";
  const changes = share.slice(1).map((step) =>
    `from ${words.moment(step.at)} ${words.percent(step.value)}`);
  return `Share of users who had the feature: ${
    [words.percent(share[0].value), ...changes].join(", ")}.`;
}
