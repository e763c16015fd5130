// The first screen: who needs a person, then every rollout in one row, the most urgent first.

import { h, meter, tag, track, stageName } from "./page.js";
import { path, query } from "./server.js";
import * as words from "./words.js";
import { sparkline, timeFigure, ticks } from "./figures.js";
import { binned, frameOf, marksOf, rates, shareTop } from "./plandata.js";
import { openAction } from "./actions.js";
import { budgetRows } from "./money.js";
import { providerRows } from "./providers.js";

/** Cards with a picture; more are said in a line. */
const cardsMax = 4;
const pageSize = 50;

export default function rollouts(app) {
  const kept = app.memory.get("rollouts") ?? {};
  app.memory.set("rollouts", kept);
  const self = { data: kept.data, cards: kept.cards ?? new Map(), shown: pageSize, row: -1 };
  let timer = null;
  let isBehind = false;

  function remember() {
    kept.data = self.data;
    kept.cards = self.cards;
  }

  const wish = () => JSON.stringify([location.search, self.shown]);

  async function load() {
    clearTimeout(timer);
    timer = setTimeout(load, 10_000);
    if (document.hidden) return;
    const { filter, which } = app.query();
    const asked = wish();
    try {
      const pages = [await app.ask("/v1/overview" + query({ filter, which, limit: pageSize }))];
      while (pages.at(-1).next && pages.length * pageSize < self.shown) {
        pages.push(await app.ask("/v1/overview" +
          query({ filter, which, limit: pageSize, after: pages.at(-1).next })));
      }
      // Somebody has typed on meanwhile; the answer to that is on its way.
      if (asked !== wish()) return;
      self.data = { ...pages.at(-1), plans: pages.flatMap((page) => page.plans) };
      self.failure = null;
      remember();
      app.draw();
      await Promise.all([loadCards(), loadRest()]);
      app.draw();
    } catch (failure) {
      self.failure = failure;
      app.draw();
    }
  }

  async function loadCards() {
    const urgent = self.data.plans.filter((row) => row.attention === "needs_you");
    const known = new Set(urgent.map((row) => row.feature));
    for (const feature of self.cards.keys()) if (!known.has(feature)) self.cards.delete(feature);
    await Promise.all(urgent.slice(0, cardsMax).map(async ({ feature }) => {
      const [series, history] = await Promise.all([
        app.ask(path("plans", feature, "series") + "?from=60m&step=10s"),
        app.ask(path("plans", feature, "events") + "?limit=10")]);
      self.cards.set(feature, { series, events: history.events });
    }));
    remember();
  }

  async function loadRest() {
    const soft = (asked) => asked.catch(() => null);
    [self.providers, self.budgets, self.activity] = await Promise.all([
      app.who.features ? null : soft(app.ask("/v1/providers")), soft(app.ask("/v1/budgets")),
      soft(app.ask("/v1/activity?limit=60"))]);
  }

  Object.assign(self, {
    title() {
      return self.data ? headline(self.data.counts).title : "Rollouts";
    },
    start: load,
    stop: () => clearTimeout(timer),
    refresh: load,
    changed() {
      self.shown = pageSize;
      self.row = -1;
      load();
    },
    /** Several events at once are one reason to ask. */
    event() {
      if (isBehind) return;
      isBehind = true;
      setTimeout(() => {
        isBehind = false;
        load();
      }, 250);
    },
    key(key) {
      const links = [...document.querySelectorAll(".list .name")];
      if (!links.length || !["j", "k", "Enter"].includes(key)) return false;
      if (key === "Enter") {
        if (self.row < 0 || document.activeElement?.closest("a,button,summary")) return false;
        links[self.row]?.click();
        return true;
      }
      self.row = Math.min(links.length - 1, Math.max(0, self.row + (key === "j" ? 1 : -1)));
      links[self.row].focus();
      app.draw();
      return true;
    },
    render: () => render(app, self, load),
  });
  return self;
}

// MARK: What the page says first

/** The title is the answer. */
export function headline({ all, needs_you: needs, waits, goes_on: going, rests }) {
  if (!all) return { title: "No rollouts yet", sub: "" };
  const title = needs
    ? `${words.number(needs)} rollout${needs === 1 ? " needs" : "s need"} you`
    : waits ? `${words.number(waits)} rollout${waits === 1 ? " waits" : "s wait"} for a step`
      : "Nothing needs you";
  const rest = [];
  if (needs && waits) {
    rest.push(`${words.number(waits)} more wait${waits === 1 ? "s" : ""} for a step.`);
  }
  if (going) rest.push(`${words.number(going)} go${going === 1 ? "es" : ""} on by ${
    going === 1 ? "itself" : "themselves"}.`);
  if (rests) rest.push(`${words.number(rests)} rest${rests === 1 ? "s" : ""}.`);
  return { title, sub: rest.join(" ") };
}

function render(app, self, load) {
  if (!self.data) {
    return self.failure ? [h("h1", {}, "Rollouts"), problem(self.failure)] : loading();
  }
  const { counts, plans, matching } = self.data;
  const { filter, which } = app.query();
  const { title, sub } = headline(counts);
  const isWhole = !filter && !which;
  if (!counts.all && !counts.archived) return empty();
  const urgent = isWhole ? plans.filter((row) => row.attention === "needs_you") : [];
  return [
    h("div", { class: "head", key: "head" },
      h("div", {}, h("h1", {}, title), h("p", { class: "sub" }, sub)),
      chooser(app, counts)),
    urgent.slice(0, cardsMax).map((row) => card(app, self, row, load)),
    urgent.length > cardsMax && h("p", { class: "quiet", key: "more" },
      `${words.number(urgent.length - cardsMax)} more need you; they stand first in the table.`),
    filter && h("p", { class: "sub", key: "filtered", role: "status" },
      `${words.several(matching, "rollout")} with “${filter}” `,
      h("a", { href: "/" }, "Show all")),
    h("section", { class: "card", "aria-label": "All rollouts", key: "list" },
      plans.length ? table(self, plans) : h("p", { class: "pad muted" }, "None of them."),
      self.data.next && h("div", { class: "more" }, h("button", {
        onclick() {
          self.shown += pageSize;
          load();
        },
      }, `Show more of ${words.count(matching)}`))),
    isWhole && below(app, self),
  ];
}

const loading = () => [
  h("h1", {}, "Rollouts"),
  h("section", { class: "card pad", "aria-busy": "true", key: "loading" },
    h("p", { class: "sk w3" }), h("p", { class: "sk" }), h("p", { class: "sk big" })),
];

export const problem = (failure) => h("p", { class: "banner warn", role: "alert" },
  h("b", {}, failure.status === 403 ? "This token may not see that. " : "That did not work. "),
  failure.message);

const empty = () => [
  h("h1", {}, "No rollouts yet"),
  h("section", { class: "card pad", key: "empty" },
    h("p", {}, "Write a plan, or start from the example:"),
    h("pre", {}, "rollout plan apply -f examples/ai-summary.yaml\nrollout start ai-summary"),
    h("p", { class: "small muted" }, "It appears here by itself.")),
];

function chooser(app, counts) {
  const { which = "all" } = app.query();
  const choice = (name, text) => h("a", { href: name === "all" ? "/" : `/?which=${name}`,
    "aria-current": which === name ? "true" : null }, text);
  return h("div", { class: "seg", role: "group", "aria-label": "Which" },
    choice("all", `All ${counts.all}`),
    choice("needs", `Needs someone ${counts.needs_you + counts.waits}`),
    choice("archived", `Archived ${counts.archived}`));
}

// MARK: A card for what needs a person

function card(app, self, row, load) {
  const known = self.cards.get(row.feature);
  const { tagText, title, text } = cardWords(row, known?.events ?? []);
  const needsWord = row.hold && !row.hold.acknowledged_by &&
    ["rollback", "alert"].includes(row.hold.cause);
  const cooldown = row.next?.waiting_on.find((gate) => gate.startsWith("cooldown"));
  const address = `/plans/${encodeURIComponent(row.feature)}`;
  return h("section", { class: "card needs", "aria-label": `${row.feature} needs you`,
    key: `card ${row.feature}` },
    h("div", { class: "say" },
      tag(tagText, row.hold?.cause === "investigate" ? "warn" : "bad"),
      h("h2", {}, title), h("p", {}, text),
      h("div", { class: "acts" },
        h("a", { class: "btn main", href: `${address}?range=1h` }, "Look"),
        needsWord && h("button", { class: "btn", "aria-disabled": app.hindrance() ? "true" : null,
          onclick: () => openAction(app, "acknowledge", row, { done: load }) }, "Acknowledge…"),
        cooldown && h("span", { class: "small faint hide-phone" }, cooldown))),
    h("div", { class: "pic" },
      h("div", { class: "figh" }, h("h2", {}, "Error rate, last 60 min")),
      known ? hour(row, known.series) : h("p", { class: "sk big" })));
}

function cardWords(row, events) {
  const since = row.hold ? words.moment(row.hold.since) : "";
  const stays = `It stays at ${stageName(row.stage, row)} until somebody has looked.`;
  const lately = row.now.requests > 0
    ? ` Of the last ten minutes’ ${words.several(row.now.requests, "request")} ${
      words.percent(row.now.failed / row.now.requests)} failed.` : "";
  if (row.degraded) {
    return { tagText: "needs repair", title: `${row.feature} needs repair`,
      text: words.whole(row.degraded) };
  }
  if (row.hold?.cause === "rollback" || row.hold?.cause === "alert") {
    const back = events.find((event) => event.type === "rolled_back" || event.type === "killed");
    const by = row.hold.cause === "alert" ? "after an alert" : "by itself";
    return {
      tagText: `stepped back ${by}, ${since}`,
      title: back?.from ? `${row.feature} went from ${stageName(back.from.stage, row)} back to ${
        stageName(back.to.stage, row)}` : `${row.feature} stepped back`,
      text: `${words.whole(row.hold.reason)}${lately} ${stays}`,
    };
  }
  if (row.hold) {
    return { tagText: `held to be looked at, ${since}`,
      title: `${row.feature} is held to be looked at`,
      text: `${words.whole(row.hold.reason)}${lately}` };
  }
  return { tagText: row.verdict === "pending" ? "going bad" : "failing",
    title: `${row.feature} ${row.verdict === "pending" ? "goes bad" : "is failing"}`,
    text: words.whole(row.sentence) };
}

/** The last hour of a plan, as one line. */
export function hour(row, series) {
  const frame = frameOf(series, { bin: 120_000, isLive: true, edge: 14 });
  const bins = binned(series, frame);
  const points = rates(bins, "treatment", frame);
  const top = shareTop(points, row.limit);
  const worst = Math.max(0, ...points.map((point) => point.value ?? 0));
  const last = points.findLast((point) => point.value != null);
  return timeFigure({ ...frame, marks: marksOf(series, row).filter((mark) => mark.isRed) }, {
    height: 150, pad: 6, below: 28, top, ticks: ticks(top).slice(-1), format: words.tickPercent,
    sentence: points.some((point) => point.value != null)
      ? `Error rate in the last hour: up to ${words.percent(worst)}, at last ${
        words.percent(last.value)}.` : "No request in the last hour.",
    band: points, gap: Infinity, lines: [{ name: "l-feat", points }],
    limits: row.limit == null ? []
      : [{ name: "limit", value: row.limit, text: words.plainPercent(row.limit * 100) }],
    times: true,
  });
}

// MARK: The table

function table(self, plans) {
  return h("table", { class: "list" },
    h("thead", {}, h("tr", {},
      ["Rollout", "State", "Stage"].map((name) => h("th", { scope: "col" }, name)),
      h("th", { scope: "col", class: "r" }, "Have it"),
      h("th", { scope: "col" }, "Errors, 24 h, against the limit"),
      h("th", { scope: "col", class: "r", title: "of the last ten minutes" }, "now"),
      h("th", { scope: "col", class: "r lat" }, "p95"),
      h("th", { scope: "col", class: "r cost" }, "Cost"), h("th", { scope: "col" }, "Next"))),
    h("tbody", {}, plans.map((row, index) => line(row, index === self.row))));
}

function line(row, isAt) {
  const [word, tone, shape] = words.state(row, row.verdict);
  const from = row.hold?.cause === "rollback" || row.hold?.cause === "alert"
    ? row.stage_index + 1 : -1;
  const { requests, failed } = row.now;
  const share = requests ? failed / requests : null;
  const tone2 = share == null || row.limit == null ? "" : share > row.limit ? "bad" : "";
  const dash = (value) => row.now.requests ? value : "—";
  return h("tr", { class: isAt ? "at" : null, key: row.feature },
    h("td", {}, h("a", { class: "name", href: `/plans/${encodeURIComponent(row.feature)}` },
      row.feature)),
    h("td", { class: "st" }, tag(word, tone, shape), row.dry_run && " ",
      row.dry_run && tag("dry run", "plain", "wait")),
    h("td", { class: "where" }, track(row, { mini: true, from })),
    h("td", { class: "r hide-phone num" }, shareWords(row)),
    h("td", { class: "err" }, sparkline(row.last_day.rates, row.limit),
      h("span", { class: "sr" }, dayWords(row))),
    h("td", { class: `r hide-phone num ${tone2}` }, words.percent(share)),
    h("td", { class: "r lat num" }, dash(words.milliseconds(row.now.latency_ms_p95))),
    h("td", { class: "r cost num" }, row.now.cost_usd_per_hour == null ? "—"
      : `${words.dollars(row.now.cost_usd_per_hour)}/h`),
    h("td", { class: "nx" }, nextWords(row)));
}

/** How much of everybody has it; a stage without a share is a list of people. */
export function shareWords(plan) {
  const isOff = ["draft", "killed", "archived"].includes(plan.status) || plan.stage_index < 0;
  if (isOff) return words.plainPercent(0);
  const open = plan.stages.slice(0, plan.stage_index + 1).filter((stage) => stage.percent != null);
  return open.length ? words.plainPercent(open.at(-1).percent) : "by name";
}

function dayWords(row) {
  const known = row.last_day.rates.filter((rate) => rate != null);
  if (!known.length) return "no request in 24 hours";
  const over = row.limit == null ? 0 : known.filter((rate) => rate > row.limit).length;
  return `at most ${words.percent(Math.max(...known))} failed` +
    (over ? `, above the limit for ${words.span(over * row.last_day.step_s * 1000)}` : "");
}

function nextWords(row) {
  const muted = (text) => h("span", { class: "muted" }, text);
  const { hold, next, last } = row;
  if (row.degraded) return h("span", { class: "bad" }, "repair");
  if (row.attention === "rests" || row.attention === "archived") {
    if (row.status === "draft") return muted("not started");
    if (!last) return muted("—");
    const why = last.reason ? `: “${last.reason}”` : "";
    return muted(`${words.moment(last.at)} by ${words.actor(last.actor)}${why}`);
  }
  if (hold && ["rollback", "alert"].includes(hold.cause) && !hold.acknowledged_by) {
    return [h("span", { class: "bad" }, "acknowledge"),
      muted(` · ${words.span(Date.now() - Date.parse(hold.since))} ago`)];
  }
  if (!next) return muted("—");
  const to = next.to == null ? next.action : stageName(next.to, row);
  if (next.ready) return row.automatic ? [to, muted(" in a moment, by itself")] : `ready for ${to}`;
  return [to, muted(` · ${gateWords(next.waiting_on[0] ?? "")}`)];
}

/** A gate in the fewest words: what stands after its name. */
function gateWords(gate) {
  const soak = /^soak: (.*) left$/.exec(gate);
  if (soak) return `in ${soak[1]}`;
  const evidence = /^healthy evidence: (\d+) of (\d+) samples/.exec(gate);
  if (evidence) return `${evidence[1]} of ${evidence[2]} clean requests`;
  const opens = /^(?:hours|time): (opens .*?), in /.exec(gate);
  if (opens) return opens[1];
  const text = gate.replace(/^[a-z_ ]+: /, "");
  return text.length > 60 ? `${text.slice(0, 58)}…` : text;
}

// MARK: Below the table

function below(app, self) {
  const { providers, budgets, activity } = self;
  if (!providers && !budgets && !activity) return null;
  // Verdicts change with the traffic; they stand in the activity.
  const deeds = (activity?.activity ?? []).filter((event) => event.type !== "verdict").slice(0, 6);
  return h("div", { class: "two", key: "below" },
    providers && h("section", { class: "card pad", "aria-labelledby": "pr" },
      h("h2", { id: "pr" }, h("a", { href: "/providers" }, "Providers")),
      h("div", { class: "kv" }, providerRows(providers.providers))),
    budgets && h("section", { class: "card pad", "aria-labelledby": "mo" },
      h("h2", { id: "mo" }, h("a", { href: "/money" }, "Money")),
      h("div", { class: "kv" }, budgetRows(budgets.budgets.slice(0, 5)), nextStages(self.data.plans))),
    activity && h("section", { class: "card pad", "aria-labelledby": "ac" },
      h("h2", { id: "ac" }, h("a", { href: "/activity" }, "Lately")),
      deeds.length ? h("ol", { class: "feed" }, deeds.map(feedLine))
        : h("p", { class: "quiet" }, "Nothing has happened yet.")));
}

/** What the next stage of the costliest rollouts would add. */
function nextStages(plans) {
  return plans.filter((row) => row.next?.projection?.cost_usd_per_hour > 0).slice(0, 2).map((row) => {
    const projection = row.next.projection;
    const more = projection.cost_usd_per_hour - projection.now.cost_usd_per_hour;
    const isOver = projection.exceeded.length > 0;
    return h("div", { key: `next ${row.feature}` },
      h("span", {}, `${row.feature} at ${stageName(projection.stage, row)}`),
      h("span", { class: `num ${isOver ? "bad" : "warn"}` }, `+ ${words.dollars(more)}/h`),
      h("span", { class: "row small muted" }, projection.exceeded[0] ??
        `would cost ${words.dollars(projection.cost_usd_per_hour * 720)} a month at this pace`));
  });
}

export function feedLine(event) {
  const tone = { r: "bad", h: "warn" }[words.weight(event.type)] ?? "";
  const isMove = event.from && event.to && event.from.stage !== event.to.stage;
  const by = event.actor === "monitor" ? "" : `, ${words.actor(event.actor)}`;
  const why = event.reason && event.reason !== "applied"
    ? event.actor === "monitor" ? `: ${words.reason(event.reason)}` : `: “${event.reason}”` : "";
  return h("li", { key: event.id },
    h("time", { datetime: event.at, title: words.moment(event.at) }, words.brief(event.at)),
    h("span", {}, h("b", { class: tone }, words.deed(event)), " ",
      h("a", { href: `/plans/${encodeURIComponent(event.feature)}` }, event.feature),
      isMove && `, ${event.from.stage} → ${event.to.stage}`, by, why));
}
