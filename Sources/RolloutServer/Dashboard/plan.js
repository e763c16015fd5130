// The screen of one plan: what it loads and when, its layout, its keys.

import { h, tag, track, stageName } from "./page.js";
import { path, query } from "./server.js";
import * as words from "./words.js";
import { binned, frameOf, marksOf, merge, totals } from "./plandata.js";
import { openAction } from "./actions.js";
import { Charts } from "./plancharts.js";
import * as parts from "./planparts.js";
import { problem, shareWords } from "./rollouts.js";

const hour = 3_600_000;
const ranges = [
  { name: "1h", text: "1 h", span: hour, key: "1" }, { name: "6h", text: "6 h", span: 6 * hour, key: "6" },
  { name: "24h", text: "24 h", span: 24 * hour, key: "d" },
  { name: "7d", text: "7 d", span: 168 * hour, key: "w" },
  { name: "stage", text: "this stage" }, { name: "start", text: "since start" },
];
const steps = { 10: "10s", 300: "5m", 3600: "1h" };
const iso = (at) => new Date(at).toISOString();

export default function plan(app, feature) {
  const name = `plan ${feature}`;
  const self = { feature, ...app.memory.get(name), decision: null, versions: null, trial: null };
  self.charts = new Charts(app, self);
  const base = path("plans", feature);
  let ticks = 0;
  let isAsking = false;
  let isStopped = false;
  let isBehind = false;

  const remember = () => app.memory.set(name, {
    plan: self.plan, health: self.health, series: self.series, events: self.events,
    failures: self.failures, window: self.window, hourly: self.hourly });

  /** From when to when the figures show; `isLive` where its end is now. */
  function windowOf() {
    const { range = "6h", at, from, to } = app.query();
    const now = Date.now();
    if (Date.parse(from) < Date.parse(to)) {
      return { from: Date.parse(from), to: Date.parse(to), isLive: false, isZoomed: true };
    }
    const chosen = ranges.find((one) => one.name === range) ?? ranges[1];
    const begun = range === "stage" ? self.plan?.stage_entered_at : self.plan?.created_at;
    const span = chosen.span ?? Math.max(hour / 6, now - Date.parse(begun ?? iso(now - hour)));
    const seen = Date.parse(at);
    if (seen && (seen < now - span || seen > now)) {
      return { from: seen - span * 0.7, to: seen + span * 0.3, isLive: false };
    }
    return { from: now - span, to: now, isLive: true, span };
  }

  async function loadPlan() {
    const [found, health] = await Promise.all([app.ask(base), app.ask(`${base}/health`)]);
    self.plan = { ...found, automatic: found.definition.advance === "automatic" };
    self.health = health;
  }

  async function loadEvents() {
    self.events = (await app.ask(`${base}/events?limit=200`)).events;
  }

  async function loadSeries() {
    const { from, to, isLive } = self.window = windowOf();
    const asked = { from: iso(from), to: isLive ? null : iso(to) };
    [self.series, self.failures] = await Promise.all([
      app.ask(`${base}/series` + query(asked)),
      app.ask(`${base}/failures` + query({ ...asked, limit: 5 }))]);
  }

  async function loadHourly() {
    self.hourly = await app.ask(`${base}/series?from=1h&step=1h`);
  }

  async function loadAll() {
    try {
      await Promise.all([loadPlan(), loadEvents(), loadHourly()]);
      await loadSeries();
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    if (isStopped) return;
    remember();
    app.draw();
  }

  /** The last steps again; the window moves on with the time. */
  async function loadDelta() {
    const { series, window } = self;
    if (!series || !window?.isLive || document.hidden) return;
    const step = series.step_s * 1000;
    const from = Math.max(window.from, Math.floor((Date.now() - 2 * step) / step) * step);
    const delta = await app.ask(`${base}/series` + query({ from: iso(from), step: steps[series.step_s] }));
    if (self.series !== series) return;
    self.window = windowOf();
    const merged = merge(series, delta);
    const at = series.columns.indexOf("at");
    merged.rows = merged.rows.filter((row) => Date.parse(row[at]) >= self.window.from - step);
    const isNew = JSON.stringify(merged.rows.slice(-8)) !== JSON.stringify(series.rows.slice(-8));
    self.series = merged;
    if (isNew) app.draw();
  }

  Object.assign(self, {
    title: () => self.plan ? `${feature}: ${words.state(self.plan, self.health?.verdict)[0]}` : feature,
    start: loadAll,
    stop() { isStopped = true; },
    refresh: loadAll,
    changed() {
      self.series = null;
      self.trial = null;
      app.draw();
      loadSeries().then(remember, (failure) => { self.failure = failure; }).finally(app.draw);
    },
    /** Several events at once are one reason to ask. */
    event(_, data) {
      if (isBehind || (data.feature && data.feature !== feature)) return;
      isBehind = true;
      setTimeout(() => {
        isBehind = false;
        if (!isStopped) loadAll();
      }, 250);
    },
    /** Each second: a small delta; the rest less often. */
    async tick() {
      ticks += 1;
      if (isAsking || document.hidden || !app.live.isOnline || !self.plan) return;
      isAsking = true;
      try {
        const isFine = self.series?.step_s === 10;
        if (isFine || ticks % 10 === 0) await loadDelta();
        if (ticks % 5 === 0) await loadPlan();
        if (ticks % 15 === 0) {
          const { from, to, isLive } = self.window;
          self.failures = await app.ask(`${base}/failures` +
            query({ from: iso(from), to: isLive ? null : iso(to), limit: 5 }));
          await loadHourly();
        }
        if (ticks % 5 === 0) app.draw();
      } catch { /* The next second asks again. */ }
      isAsking = false;
    },
    key(key) {
      const range = ranges.find((one) => one.key === key);
      if (range) {
        app.set({ range: range.name, from: null, to: null, at: null }, { replace: false });
        return true;
      }
      const action = { a: self.plan?.next?.action === "complete" ? "complete" : "advance",
        r: "rollback", p: self.plan?.status === "paused" ? "resume" : "pause", k: "kill" }[key];
      if (!action || !self.plan || !parts.actionsOf(self.plan).some(([one]) => one === action)) {
        return false;
      }
      self.act(action);
      return true;
    },
    act: (action) => openAction(app, action, self.plan, { done: loadAll }),
    render: () => render(app, self),
  });
  return self;
}

/** About how many different people met with it in an hour; null where nobody reported. */
function usersNow(hourly) {
  if (!hourly) return null;
  const [arm, users] = ["arm", "users"].map((name) => hourly.columns.indexOf(name));
  const all = hourly.rows.filter((row) => row[arm] === "treatment" && row[users] != null)
    .map((row) => row[users]);
  return all.length ? Math.max(...all) : null;
}

function perMinute(series) {
  if (!series?.rows.length) return null;
  const place = Object.fromEntries(series.columns.map((name, index) => [name, index]));
  const since = Date.parse(series.to) - 600_000;
  const rows = series.rows.filter((row) => Date.parse(row[place.at]) >= since &&
    row[place.arm] === "treatment");
  return rows.reduce((sum, row) => sum + row[place.requests], 0) / 10 || null;
}

// MARK: Layout

function render(app, self) {
  const { plan, feature, failure } = self;
  if (!plan) {
    return [crumb(feature), h("h1", {}, feature), failure ? problem(failure)
      : h("section", { class: "card pad", "aria-busy": "true" },
        h("p", { class: "sk w3" }), h("p", { class: "sk" }), h("p", { class: "sk big" }))];
  }
  plan.facts = { users: usersNow(self.hourly), perMinute: perMinute(self.series) };
  const frame = self.series && self.window && frameOf(self.series, {
    from: self.window.from, to: self.window.to, isLive: self.window.isLive,
    marks: marksOf(self.series, plan) });
  const bins = frame ? binned(self.series, frame) : [];
  const sums = { treatment: totals(bins, "treatment"), control: totals(bins, "control") };
  return [
    crumb(feature),
    h("div", { class: "head", key: "head" }, heading(self), rangeChooser(app, self)),
    failure && failure.status !== 0 && problem(failure),
    !app.may("operate") && h("p", { class: "banner", key: "look" }, h("b", {}, "You may look."),
      " Changes need a token with scope operate: rollout token create --name you --scope operate"),
    parts.notice(app, self),
    h("div", { class: "plan", key: "plan" },
      h("div", { class: "stack" },
        hero(self),
        frame ? self.charts.main(frame, bins, sums) : h("section", { class: "card pad o3",
          "aria-busy": "true", key: "wait" }, h("p", { class: "sk w3" }), h("p", { class: "sk big" })),
        frame && self.charts.small(frame, bins, sums),
        parts.guards(self),
        parts.asking(app, self)),
      h("aside", { class: "stack", "aria-label": "What may be done, and what happened" },
        parts.gates(app, self), parts.failed(app, self), parts.history(self),
        parts.file(app, self))),
    parts.dock(app, self),
  ];
}

const crumb = (feature) => h("p", { class: "crumb", key: "crumb" },
  h("a", { href: "/" }, "Rollouts"), ` / ${feature}`);

function heading({ plan, health }) {
  const about = [plan.description, `version ${plan.version}`,
    plan.automatic ? "goes on by itself" : "goes on by hand"].filter(Boolean).join(" · ");
  const [word, tone, shape] = words.state(plan, health?.verdict);
  return h("div", {}, h("h1", {}, plan.feature, tag(word, tone, shape),
    plan.definition.dry_run === true && tag("dry run", "plain", "wait")),
    h("p", { class: "sub" }, about));
}

function rangeChooser(app, self) {
  const { range = "6h", from } = app.query();
  return h("div", { class: "seg", role: "group", "aria-label": "Time range" },
    self.window?.isZoomed && h("button", {
      onclick: () => app.set({ from: null, to: null }, { replace: false }) }, "Zoom out"),
    ranges.map((one) => h("button", {
      class: one.span ? null : "hide-phone",
      "aria-pressed": String(!from && range === one.name),
      onclick: () => app.set({ range: one.name, from: null, to: null, at: null },
        { replace: false }),
    }, one.text)));
}

function hero(self) {
  const { plan } = self;
  const isBack = ["rollback", "alert"].includes(plan.hold?.cause);
  const { users } = plan.facts;
  const lists = plan.stages.slice(0, plan.stage_index + 1)
    .filter((stage) => stage.cohort || stage.rules).length;
  const detail = [users == null ? null : `about ${words.people(users)} in the last hour`,
    lists && plan.status !== "killed" ? `${words.several(lists, "stage")} by list or rule` : null]
    .filter(Boolean).join(", ");
  return h("section", { class: "card pad hero o1", "aria-label": "Stage", key: "hero" },
    h("div", {}, h("div", { class: "big num" }, shareWords(plan)),
      h("p", { class: "muted small" }, "have it", detail && `: ${detail}`)),
    h("div", {}, track(plan, { from: isBack ? plan.stage_index + 1 : -1 }),
      plan.stage_entered_at && h("p", { class: "small faint" }, `${
        stageName(plan.stage, plan)} since ${words.moment(plan.stage_entered_at)}`)));
}
