// The parts of a plan's screen that are no figures: what is the matter, what may be done, what
// failed, what happened, who has it, and the file.

import { gateMark, h, meter, stageName } from "./page.js";
import { path, query } from "./server.js";
import * as words from "./words.js";
import { guardFigure } from "./figures.js";
import { gateText, gatesOf } from "./actions.js";

// MARK: Buttons

const names = {
  start: "Start…", advance: "Advance…", rollback: "Roll back…", pause: "Pause…", resume: "Resume…",
  kill: "Kill…", approve: "Approve…", restore: "Restore…", complete: "Complete…",
  archive: "Archive…", unarchive: "Bring back…", acknowledge: "Acknowledge…",
};

/** What may be asked for now, the first one first: [action, whether it is wide]. */
export function actionsOf(plan) {
  const waitsForApproval = plan.next?.waiting_on.some((gate) => gate.startsWith("approval"));
  const list = {
    draft: [["start", true], ["archive"]],
    active: [[plan.next?.action === "complete" ? "complete" : "advance", true], ["rollback"],
      ["pause"], ["kill"]],
    paused: [["resume", true], ["rollback"], ["kill"]],
    killed: [["resume", true], ["archive"]],
    completed: [["rollback"], ["kill"], ["archive"]],
    archived: [["unarchive", true]],
  }[plan.status] ?? [];
  const isOff = plan.stage_index < 0;
  const fitting = list.filter(([name]) => !(isOff && name === "rollback"));
  return [...fitting, ...(waitsForApproval ? [["approve", true]] : []),
    ...(plan.restore ? [["restore", true]] : [])];
}

export const needsAcknowledgement = (plan) => plan.hold != null && !plan.hold.acknowledged_by &&
  ["rollback", "alert"].includes(plan.hold.cause);

function button(app, self, name, style) {
  return h("button", { class: `btn ${style}${name === "kill" ? " danger" : ""}`,
    "aria-disabled": app.hindrance() ? "true" : null, key: name,
    title: app.hindrance(), onclick: () => self.act(name) }, names[name]);
}

// MARK: What is the matter

/** One or two sentences over everything else; nothing where all is as usual. */
export function notice(app, self) {
  const found = matter(self);
  if (!found) return null;
  const { tone, title, text, more } = found;
  return h("section", { class: `notice ${tone}`, "aria-label": "What is the matter", key: "notice" },
    h("div", {}, h("h2", {}, title), h("p", {}, text), more && h("p", { class: "small muted" }, more)),
    needsAcknowledgement(self.plan) && h("div", { class: "hide-phone" },
      button(app, self, "acknowledge", "main")));
}

function matter({ plan, health, events }) {
  const last = (...types) => events?.find((event) => types.includes(event.type));
  if (plan.degraded) return { tone: "", title: "It needs repair", text: words.whole(plan.degraded) };
  if (plan.status === "killed") {
    const kill = last("killed");
    return { tone: "", title: `Nobody has ${plan.feature}`, text: said("Killed", kill) +
      ` It stood at ${stageName(plan.stage, plan)}.` };
  }
  if (plan.status === "paused") {
    return { tone: "warn", title: `Paused at ${stageName(plan.stage, plan)}`,
      text: said("Paused", last("paused")) + " It goes on serving, and does not advance." };
  }
  if (plan.status === "archived") {
    return { tone: "plain", title: "Archived", text: said("Archived", last("archived")) +
      (plan.answers_until ? ` It answers as when it was completed until ${
        words.moment(plan.answers_until)}.` : " Whoever asks gets off.") };
  }
  if (plan.status === "draft") {
    return { tone: "plain", title: "Not started",
      text: `Nobody has it yet. Its first stage is ${stageName(plan.stages[0].name, plan)}.` };
  }
  if (plan.stage_index < 0 && (!plan.hold || plan.hold.cause === "manual")) {
    return { tone: "plain", title: "Nobody has it", text: said("Rolled back", last("rolled_back")) };
  }
  if (plan.hold) return held(plan, events);
  if (["failing", "pending"].includes(health?.verdict)) {
    return { tone: "", title: health.verdict === "failing" ? "It is failing" : "It goes bad",
      text: words.whole(health.sentence) };
  }
  if (plan.status === "completed") {
    return { tone: "plain", title: "Completed: everyone has it",
      text: said("Completed", last("completed")) };
  }
  return easy(plan, health);
}

/** Nothing is wrong, and something is worth saying. */
function easy(plan, health) {
  const notes = (health?.notes ?? []).map(words.whole).join(" ");
  if (health?.verdict === "unavailable") {
    return { tone: "warn", title: "Nothing is heard of those who have it",
      text: words.whole(health.sentence), more: notes };
  }
  if (health?.verdict === "investigate") {
    return { tone: "warn", title: "Worth a look", text: words.whole(health.sentence), more: notes };
  }
  if (plan.next?.ready && !plan.automatic && plan.next.to != null) {
    return { tone: "plain", title: `Ready for ${stageName(plan.next.to, plan)}`,
      text: `Every gate is open, ${plan.next.ready_for === "anybody" ? "and it waits for a person"
        : `for ${plan.next.ready_for}`}.`, more: notes };
  }
  if (health?.verdict === "inconclusive") {
    return { tone: "plain", title: "Too little to say", text: words.whole(health.sentence), more: notes };
  }
  return notes ? { tone: "plain", title: "Good to know", text: notes } : null;
}

function said(word, event) {
  if (!event) return "";
  return `${word} ${words.moment(event.at)} by ${words.actor(event.actor)}${
    event.reason ? `: “${event.reason}”` : ""}.`;
}

function held(plan, events) {
  const { cause, reason, since, acknowledged_by: seen } = plan.hold;
  const at = words.moment(since);
  if (cause === "rollback" || cause === "alert") {
    const back = events?.find((event) => event.type === "rolled_back");
    const way = back?.from ? `from ${stageName(back.from.stage, plan)} to ${
      stageName(back.to.stage, plan)} ` : "";
    const by = cause === "alert" && back ? ` after ${words.actor(back.actor)}` : "";
    return { tone: seen ? "warn" : "",
      title: `Stepped back ${way}at ${at}${by}, and held there`,
      text: `${words.whole(reason)}${blame(back)}`,
      more: seen ? `${words.actor(seen)} has looked at it; it is released when its cooldown ends.`
        : null };
  }
  const titles = {
    outage: "Held, not stepped back", investigate: `Held to be looked at since ${at}`,
    no_traffic: `Held since ${at}: nobody asks for it`, manual: `Rolled back by hand at ${at}`,
  };
  return { tone: cause === "manual" ? "plain" : "warn",
    title: titles[cause] ?? `Held since ${at}`, text: words.whole(reason),
    more: cause === "manual" ? "It does not advance by itself; a person’s advance ends that."
      : "It is released when that has ended." };
}

/** Whether it was the feature, from how those without it fared. */
function blame(event) {
  const evidence = event?.evidence ?? {};
  const control = evidence.control_rate;
  if (control == null || evidence.guard !== "error_rate") return "";
  const mine = evidence.recent_rate ?? evidence.rate;
  return control < mine / 3
    ? ` Those without the feature were fine (${words.percent(control)}), so it was the feature.`
    : ` Of those without the feature ${words.percent(control)} failed too.`;
}

// MARK: What must be so before the next step

/** What the gates say, shut ones first, and those that are open. */
function allGates(plan) {
  const shut = gatesOf(plan).map(({ text, isPassable }) => {
    const kind = /^(soak|cooldown|healthy evidence|outcomes)|^(hours|time): opens /.test(text) ||
      isPassable
      ? "wait" : "shut";
    return { kind, ...gateText(text) };
  });
  const stage = plan.stages[plan.stage_index];
  const isMissing = (name) => plan.next.waiting_on.some((gate) => gate.startsWith(name));
  const open = [];
  if (plan.next.action === "advance") {
    if (stage && stage.soak !== "0s" && stage.soak !== "0ms" && !isMissing("soak")) {
      open.push({ kind: "open", title: `Soak of ${words.spaced(stage.soak)}`, detail: plan.stage_entered_at
        ? `Passed; at ${stageName(stage.name, plan)} since ${words.moment(plan.stage_entered_at)}.`
        : "Passed." });
    }
    const isSettled = !plan.next.waiting_on.some((gate) => /^[a-z]+_[a-z0-9_]+: /.test(gate));
    if (isSettled && !isMissing("healthy evidence") && !isMissing("outcomes")) {
      open.push({ kind: "open", title: "Healthy evidence", detail: "Enough requests were fine." });
    }
    const next = plan.stages[plan.stage_index + 1];
    if (next?.approvals && !isMissing("approval")) {
      open.push({ kind: "open", title: words.several(next.approvals, "approval"),
        detail: `Given by ${plan.approvals.join(", ")}.` });
    }
    if (plan.next.schedule?.open) {
      open.push({ kind: "open", title: "Hours", detail: words.whole(plan.next.schedule.sentence) });
    }
    if (plan.next.projection && !isMissing("cost") && !isMissing("capacity")) {
      open.push({ kind: "open", title: "Budget and quota",
        detail: [plan.next.projection.sentence,
          ...plan.next.projection.budgets.map(({ sentence }) => sentence)].map(words.whole).join(" ") });
    }
  }
  return [...shut, ...open];
}

/** The gates, and the buttons. */
export function gates(app, self) {
  const { plan } = self;
  const actions = actionsOf(plan);
  const inDock = new Set(dockActions(plan));
  const shown = plan.next && ["advance", "complete", "start"].includes(plan.next.action)
    ? allGates(plan) : [];
  const to = plan.next?.to != null ? stageName(plan.next.to, plan) : null;
  const title = plan.next?.action === "advance" ? `Before ${to}${["rollback", "alert"].includes(plan.hold?.cause) ? " again" : ""}`
    : plan.next?.action === "complete" ? "Before it is complete" : "What may be done";
  const isReady = plan.next?.ready;
  const small = actions.filter(([, isWide]) => !isWide);
  return h("section", { class: "card pad o4", "aria-labelledby": "nx", key: "gates" },
    h("h2", { id: "nx" }, title),
    shown.length > 0 && h("ul", { class: "gates" }, shown.map(({ kind, title: what, detail }) =>
      h("li", {}, gateMark(kind), h("div", {}, what, detail && h("p", {}, detail))))),
    plan.next?.ready_for && plan.next.ready_for !== "anybody" &&
      h("p", { class: "quiet" }, `Ready for ${plan.next.ready_for}.`),
    h("div", { class: `acts2${small.length === 3 ? " three" : ""}` },
      actions.map(([name, isWide]) => button(app, self, name,
        `${isWide ? "wide " : ""}${isWide && isReady && name !== "approve" ? "main " : ""}${
          inDock.has(name) ? "hide-phone" : ""}`))));
}

function dockActions(plan) {
  const all = actionsOf(plan).map(([name]) => name);
  const first = needsAcknowledgement(plan) ? "acknowledge" : all[0];
  return [first, ...["rollback", "kill"].filter((name) => name !== first && all.includes(name))];
}

/** On a phone the buttons stay under the thumb. */
export const dock = (app, self) => h("div", { class: "dock only-phone", key: "dock",
  role: "group", "aria-label": "Actions" },
  dockActions(self.plan).map((name, index) => button(app, self, name, index ? "" : "main")));

// MARK: Guards

export function guards(self) {
  const { health, plan } = self;
  if (!health) return null;
  const since = plan.stage_entered_at ? `, since ${words.moment(plan.stage_entered_at)}` : "";
  return h("section", { class: "card pad o6", "aria-labelledby": "gu", key: "guards" },
    h("div", { class: "figh" }, h("h2", { id: "gu" }, `Guards${since}`),
      h("span", { class: "small faint" },
        "dot and bar: now and its interval · grey: without · red: limit")),
    health.guards.length === 0 ? h("p", { class: "quiet" }, "No guard watches this plan.")
      : h("table", { class: "tbl" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Guard"),
          ["With", "Without", "Limit"].map((name) => h("th", { scope: "col", class: "r" }, name)),
          h("th", { scope: "col", class: "iv" }, "0 to 1½ limits"),
          h("th", { scope: "col" }, "Then"), h("th", { scope: "col" }, "State"))),
        h("tbody", {}, health.guards.map((guard) => guardRow(guard, health.arms)))));
}

function controlOf(metric, arm) {
  if (!arm?.requests && !Object.values(arm?.feedback ?? {}).some(Boolean)) return null;
  const votes = (arm.feedback.thumbs_up ?? 0) + (arm.feedback.thumbs_down ?? 0);
  return {
    error_rate: arm.requests ? arm.failed / arm.requests : null,
    latency_p50: arm.latency_ms_p50, latency_p95: arm.latency_ms_p95,
    latency_p99: arm.latency_ms_p99,
    cost_per_request: arm.requests && arm.cost_usd ? arm.cost_usd / arm.requests : null,
    thumbs_down_rate: votes ? arm.feedback.thumbs_down / votes : null,
  }[metric] ?? null;
}

function guardRow(guard, { treatment, control: other }) {
  const { metric, state } = guard;
  const control = controlOf(metric, other);
  // Of a quantile the guard counts the slower ones; people ask how slow it is.
  const quantile = /^latency_p(\d+)$/.exec(metric);
  const [value, low, high] = quantile ? [treatment[`latency_ms_p${quantile[1]}`] ?? null, null, null]
    : [guard.rate, guard.low, guard.high];
  const limit = words.limitValue(metric, guard.limit);
  const seen = /(\d+) of (\d+) (requests|votes) needed/.exec(guard.sentence);
  const tone = { quiet: "good", firing: "bad", pending: "bad", investigate: "warn" }[state] ?? "muted";
  const word = seen ? `${seen[1]} of ${seen[2]}` : state.replaceAll("_", " ");
  return h("tr", { key: `${metric} ${guard.query ?? ""}` },
    h("td", { title: guard.sentence }, words.metric(metric),
      guard.dry_run && h("span", { class: "small muted" }, " (dry run)")),
    h("td", { class: "r num" }, words.amount(metric, value)),
    h("td", { class: "r num hidep" }, words.amount(metric, control)),
    h("td", { class: "r num hidep" }, words.spaced(guard.limit)),
    h("td", { class: "iv" }, limit != null && guardFigure({ value, low, high, control, limit }), h("span", { class: "sr" }, guard.sentence)),
    h("td", { class: "hidep" }, words.actionWord(guard.action)),
    h("td", { class: `${tone} hidep nw` }, word));
}

// MARK: What failed

export function failed(app, self) {
  const { failures } = self;
  if (!failures) return null;
  const kinds = new Map();
  const targets = new Map();
  let all = 0;
  for (const { arm, kind, provider, model, count } of failures.failures) {
    if (arm === "control") continue;
    all += count;
    kinds.set(kind, (kinds.get(kind) ?? 0) + count);
    const target = provider ? `${provider}${model ? ` ${model}` : ""}` : null;
    if (target) targets.set(target, (targets.get(target) ?? 0) + count);
  }
  const most = [...kinds].sort((a, b) => b[1] - a[1]);
  const where = [...targets].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} ${words.count(n)}`);
  const { from, to, isLive } = self.window;
  const time = isLive ? `in ${words.span(to - from)}`
    : `${words.moment(from)} – ${words.moment(to)}`;
  return h("section", { class: "card pad o2", "aria-labelledby": "wy", key: "failed" },
    h("h2", { id: "wy" }, `What failed, ${time}`),
    !all ? h("p", { class: "quiet" }, "Nothing.") : h("div", { class: "why" },
      most.slice(0, 5).map(([kind, n], index) => h("div", { key: kind },
        h("span", {}, kind.replaceAll("_", " ")),
        h("span", { class: "num" }, words.count(n), " ",
          index === 0 && h("span", { class: "muted" }, `of ${words.count(all)}`)),
        meter(n / all, "red"))),
      most.length > 5 && h("div", { key: "more" }, h("span", { class: "muted small" },
        `${words.several(most.length - 5, "other kind")}`)),
      where.length > 0 && h("div", { key: "where" },
        h("span", { class: "muted small" }, where.slice(0, 4).join(" · ")))),
    failures.recent.length > 0 && h("details", { key: "samples" },
      h("summary", {}, `${words.number(failures.recent.length)} sample${
        failures.recent.length === 1 ? "" : "s"} with request ids`),
      h("table", { class: "samples" }, h("tbody", {}, failures.recent.map((one) => h("tr", {},
        h("td", { class: "nw" }, words.seconds(one.at)),
        h("td", {}, one.kind.replaceAll("_", " "), one.status ? ` ${one.status}` : "",
          one.model ? h("span", { class: "muted" }, ` ${one.model}`) : null, h("br"),
          h("code", {}, one.request_id ?? "no id"))))))));
}

// MARK: History

export function history(self) {
  const { events, plan } = self;
  if (!events) return null;
  const count = self.historyCount ?? 8;
  return h("section", { class: "card pad o7", "aria-labelledby": "hi", key: "history" },
    h("h2", { id: "hi" }, "History"),
    h("ol", { class: "hist" }, events.slice(0, count).map((event) => eventLine(event, plan))),
    events.length > count && h("a", { class: "small",
      href: `/activity?feature=${encodeURIComponent(plan.feature)}` }, "All of it"));
}

export function eventLine(event, plan) {
  const isMove = event.from && event.to && event.from.stage !== event.to.stage;
  const by = words.actor(event.actor);
  const why = event.reason && event.reason !== "applied"
    ? event.actor === "monitor" ? ` · ${words.reason(event.reason)}` : ` · “${event.reason}”` : "";
  return h("li", { class: words.weight(event.type), key: event.id }, h("i"),
    h("div", {}, h("b", {}, words.deed(event)),
      isMove && ` ${stageName(event.from.stage, plan)} → ${stageName(event.to.stage, plan)}`,
      h("p", {}, h("time", { datetime: event.at }, words.moment(event.at)), ` · ${by}${why}`),
      event.evidence && h("details", {}, h("summary", {}, "The numbers"),
        h("dl", {}, Object.entries(event.evidence)
          .filter(([, value]) => value != null && typeof value !== "object")
          .map(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")),
            h("dd", { class: "num" }, evidenceWords(name, value))])))));
}

const evidenceWords = (name, value) => typeof value !== "number" ? String(value)
  : /rate$|^low$|^high$/.test(name) && value <= 1 ? words.percent(value)
    : value.toLocaleString("en", { maximumFractionDigits: 2 });

// MARK: Does somebody have it?

export function asking(app, self) {
  async function check(submit) {
    submit.preventDefault();
    const { user, pairs: typed } = submit.target.elements;
    const pairs = typed.value.split(/\s+/).filter((pair) => pair.includes("="))
      .map((pair) => [`attr.${pair.slice(0, pair.indexOf("="))}`, pair.slice(pair.indexOf("=") + 1)]);
    try {
      const found = await app.ask(path("features", self.feature, "decision") +
        query({ user: user.value.trim(), explain: "true", ...Object.fromEntries(pairs) }));
      self.decision = `${found.enabled ? "Yes" : "No"}: ${found.because ?? found.reason}.`;
    } catch (failure) { self.decision = failure.message; }
    app.draw();
  }
  return h("section", { class: "card pad o8", "aria-labelledby": "ck", key: "asking" },
    h("h2", { id: "ck" }, "Does somebody have it?"),
    h("form", { class: "ask", onsubmit: check },
      h("input", { name: "user", "aria-label": "User id", placeholder: "user id", required: true,
        autocomplete: "off", autocapitalize: "off", spellcheck: "false" }),
      h("button", { type: "submit" }, "Check"),
      h("p", { class: "small", role: "status" }, self.decision),
      h("input", { name: "pairs", "aria-label": "Attributes, such as country=NZ",
        placeholder: "country=NZ (where rules ask)", autocomplete: "off", spellcheck: "false" })));
}

// MARK: The file

/** A document as YAML, for reading. */
export function yaml(value, depth = 0) {
  const indent = "  ".repeat(depth);
  const plain = (text) => typeof text !== "string" ? String(text)
    : /^[A-Za-z][\w ./@+-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
      ? text : JSON.stringify(text);
  if (value === null || typeof value !== "object") return plain(value);
  if (Array.isArray(value)) {
    return value.map((item) => {
      if (item === null || typeof item !== "object") return `${indent}- ${plain(item)}`;
      return `${indent}- ${yaml(item, depth + 1).trimStart()}`;
    }).join("\n");
  }
  return Object.entries(value).map(([key, item]) => {
    const isSmall = item === null || typeof item !== "object";
    if (!isSmall && !Object.keys(item).length) return `${indent}${key}: ${Array.isArray(item) ? "[]" : "{}"}`;
    return isSmall ? `${indent}${key}: ${plain(item)}`
      : `${indent}${key}:\n${yaml(item, depth + 1)}`;
  }).join("\n");
}

/** What differs between two documents: [path, before, after]. */
export function differences(before, after, at = "") {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isBoth = (test) => test(before) && test(after);
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  if (isBoth(isObject) || (isBoth(Array.isArray) && before.length === after.length)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => differences(before[key], after[key],
      Array.isArray(before) ? `${at}[${key}]` : at ? `${at}.${key}` : key));
  }
  return [[at || "plan", before, after]];
}

export function file(app, self) {
  const { plan, versions } = self;
  const applied = (self.events ?? []).filter((event) => event.type === "applied");
  async function compare(change) {
    const version = Number(change.target.value);
    if (!version) {
      self.versions = null;
      return app.draw();
    }
    try {
      const old = await app.ask(path("plans", plan.feature, "versions", version));
      self.versions = { version, changes: differences(old.definition, plan.definition) };
    } catch (failure) { self.versions = { version, failure }; }
    return app.draw();
  }
  return h("section", { class: "card pad o9", "aria-labelledby": "fi", key: "file" },
    h("h2", { id: "fi" }, "The plan file"),
    h("details", {}, h("summary", {}, `Version ${plan.version}, as it is in force`),
      h("pre", { class: "code", tabindex: 0, "aria-label": "Plan file" }, yaml(plan.definition))),
    applied.length > 1 && h("div", { class: "ask one" },
      h("label", { for: "versions" }, "What changed since"),
      h("select", { id: "versions", onchange: compare },
        h("option", { value: "" }, "choose a version"),
        applied.slice(1).map((event) => h("option", { value: event.version },
          `${event.version} · ${words.moment(event.at)} · ${words.actor(event.actor)}`)))),
    versions?.failure && h("p", { class: "small bad" }, versions.failure.message),
    versions?.changes && (versions.changes.length
      ? h("ul", { class: "diff" }, versions.changes.map(([at, from, to]) => h("li", {},
        h("b", {}, at),
        from !== undefined && h("del", {}, h("code", {}, JSON.stringify(from))),
        to !== undefined && h("ins", {}, h("code", {}, JSON.stringify(to))))))
      : h("p", { class: "quiet" }, "The file says the same.")));
}
