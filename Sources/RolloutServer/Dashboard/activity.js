// Everything that happened, newest first, with filters that stand in the address: what became of
// plans, and who changed what beside them.

import { h } from "./page.js";
import { query } from "./server.js";
import * as words from "./words.js";
import { problem } from "./rollouts.js";

const types = ["applied", "started", "advanced", "rolled_back", "held", "released", "acknowledged",
  "approved", "paused", "resumed", "killed", "restored", "completed", "archived", "unarchived",
  "verdict"];
/** What is no event of a plan. */
const changes = ["token_created", "token_revoked", "signed_in", "signed_out", "sign_in_failed",
  "cohort_members_added", "cohort_members_removed", "cohort_deleted", "configuration_reloaded",
  "configuration_refused", "budget_accepted", "backup_taken", "captures_deleted", "job_cancelled",
  "older_data_accepted"];
/** Lines of one export. */
const exportMax = 20_000;

export default function activity(app) {
  const self = app.memory.get("activity") ?? { rows: null };
  app.memory.set("activity", self);
  let isBehind = false;

  const filters = () => {
    const { feature, type, actor } = app.query();
    return { feature, type, actor };
  };

  /** The two lists that make one by time, as far as the filters and the token ask for them. */
  function sources() {
    const { feature, type, actor } = filters();
    const isChange = changes.includes(type);
    const wanted = [];
    if (!isChange) {
      wanted.push({ name: "activity", address: "/v1/activity", query: { feature, type, actor } });
    }
    if ((!type || isChange) && !feature && !app.who?.features) {
      wanted.push({ name: "audit", address: "/v1/audit", query: { type, actor } });
    }
    return wanted;
  }

  /** Takes from both what is as new as the older end of what is known of each. */
  async function page(cursors, limit) {
    const lists = await Promise.all(sources().map(async (source) => {
      const before = cursors[source.name] ?? { rows: [], after: null, isWhole: false };
      if (before.isWhole || before.rows.length >= limit) return { ...source, ...before };
      const answer = await app.ask(source.address + query({ ...source.query, after: before.after,
        limit }));
      return { ...source, rows: [...before.rows, ...answer[source.name]], after: answer.next,
        isWhole: !answer.next };
    }));
    const rows = [];
    const isKnown = () => lists.every((list) => list.rows.length || list.isWhole);
    while (rows.length < limit && isKnown() && lists.some((list) => list.rows.length)) {
      const newest = lists.filter((list) => list.rows.length).reduce((a, b) =>
        a.rows[0].at >= b.rows[0].at ? a : b);
      rows.push({ ...newest.rows[0], source: newest.name });
      newest.rows = newest.rows.slice(1);
    }
    const next = lists.some((list) => list.rows.length || !list.isWhole)
      ? Object.fromEntries(lists.map((list) => [list.name, list])) : null;
    return { rows, next };
  }

  async function load(after = null) {
    try {
      const found = await page(after ?? {}, 100);
      self.rows = after ? [...self.rows, ...found.rows] : found.rows;
      self.next = found.next;
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    app.draw();
  }

  /** Everything that fits the filters, as one JSON document a line. */
  async function save() {
    const lines = [];
    let next = {};
    try {
      do {
        const found = await page(next, 1000);
        lines.push(...found.rows.map(({ source, ...entry }) => JSON.stringify(entry)));
        next = found.next;
      } while (next && lines.length < exportMax);
    } catch (failure) { return app.say(failure.message); }
    const link = h("a", { download: "rollout-activity.ndjson",
      href: URL.createObjectURL(new Blob([lines.join("\n"), "\n"],
        { type: "application/x-ndjson" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    return app.say(`${words.several(lines.length, "line")} saved${next
      ? "; there is more, narrow the filters for the rest" : ""}.`);
  }

  const field = (name, label, input) => h("div", {}, h("label", { for: `f-${name}` }, label), input);
  const typed = (name, text) => h("input", { id: `f-${name}`, value: app.query()[name] ?? "",
    placeholder: text, autocomplete: "off",
    onchange: (change) => app.set({ [name]: change.target.value.trim() }) });

  return {
    title: () => "Activity", start: () => load(), refresh: () => load(), changed: () => load(),
    event() {
      if (isBehind) return;
      isBehind = true;
      setTimeout(() => {
        isBehind = false;
        load();
      }, 250);
    },
    render: () => [
      h("div", { class: "head", key: "head" }, h("div", {}, h("h1", {}, "Activity"),
        h("p", { class: "sub" },
          "What people and the monitor did, what was noticed, and who changed what beside the plans.")),
        h("button", { onclick: save }, "Export as NDJSON")),
      h("div", { class: "filters", key: "filters" },
        field("feature", "Rollout", typed("feature", "all")),
        field("type", "What", h("select", { id: "f-type",
          onchange: (change) => app.set({ type: change.target.value }) },
          h("option", { value: "" }, "everything"),
          [...types, ...(app.who?.features ? [] : changes)].map((type) =>
            h("option", { value: type, selected: app.query().type === type },
              words.deed({ type, actor: "" }))))),
        field("actor", "Who", typed("actor", "token:mira, monitor"))),
      self.failure && problem(self.failure),
      self.rows && h("section", { class: "card", "aria-label": "Activity", key: "rows" },
        self.rows.length ? table(self.rows) : h("p", { class: "pad muted" }, "Nothing of that kind."),
        self.next && h("div", { class: "more" },
          h("button", { onclick: () => load(self.next) }, "Show more"))),
    ],
  };
}

function table(rows) {
  return h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["When", "Rollout", "What", "Who", "Why"].map((name) =>
      h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((event) => {
      const tone = { r: "bad", h: "warn" }[words.weight(event.type)] ?? "";
      const isMove = event.from && event.to && event.from.stage !== event.to.stage;
      if (event.source === "audit") return change(event);
      return h("tr", { key: event.id },
        h("td", { class: "num nw" }, h("time", { datetime: event.at, title: event.at },
          words.moment(event.at))),
        h("td", {}, h("a", { href: `/plans/${encodeURIComponent(event.feature)}` }, event.feature)),
        // What changed nothing is said more quietly.
        h("td", {}, h(event.to ? "b" : "span", { class: event.to ? tone : tone || "muted" },
          words.deed(event)),
          isMove && ` ${event.from.stage} → ${event.to.stage}`),
        h("td", { class: "nw" }, words.actor(event.actor)),
        h("td", { class: "wide muted" }, event.reason === "applied" ? "" : words.reason(event.reason)));
    })));
}

/** A change that is no event of a plan: a sentence, and how often. */
function change(entry) {
  const times = entry.count > 1
    ? `, ${words.several(entry.count, "time")} until ${words.moment(entry.last_at)}` : "";
  const tone = entry.type === "sign_in_failed" || entry.type === "configuration_refused" ? "warn" : "";
  return h("tr", { key: `audit-${entry.id}` },
    h("td", { class: "num nw" }, h("time", { datetime: entry.at, title: entry.at },
      words.moment(entry.at))),
    h("td", { class: "muted" }, "—"),
    h("td", {}, h("span", { class: tone }, words.sentence(entry.sentence)), times),
    h("td", { class: "nw" }, words.actor(entry.actor)),
    h("td", { class: "wide muted" }, entry.reason));
}
