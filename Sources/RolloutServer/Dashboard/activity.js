// Everything that happened, newest first, with filters that stand in the address.

import { h } from "./page.js";
import { query } from "./server.js";
import * as words from "./words.js";
import { problem } from "./rollouts.js";

const types = ["applied", "started", "advanced", "rolled_back", "held", "released", "acknowledged",
  "approved", "paused", "resumed", "killed", "restored", "completed", "archived", "unarchived",
  "verdict"];
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

  async function load(after = null) {
    try {
      const page = await app.ask("/v1/activity" + query({ ...filters(), after, limit: 100 }));
      self.rows = after ? [...self.rows, ...page.activity] : page.activity;
      self.next = page.next;
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    app.draw();
  }

  /** Everything that fits the filters, as one JSON document a line. */
  async function save() {
    const lines = [];
    let after = null;
    try {
      do {
        const page = await app.ask("/v1/activity" + query({ ...filters(), after, limit: 1000 }));
        lines.push(...page.activity.map((event) => JSON.stringify(event)));
        after = page.next;
      } while (after && lines.length < exportMax);
    } catch (failure) { return app.say(failure.message); }
    const link = h("a", { download: "rollout-activity.ndjson",
      href: URL.createObjectURL(new Blob([lines.join("\n"), "\n"],
        { type: "application/x-ndjson" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    return app.say(`${words.several(lines.length, "line")} saved${after
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
        h("p", { class: "sub" }, "What people and the monitor did, and what was noticed.")),
        h("button", { onclick: save }, "Export as NDJSON")),
      h("div", { class: "filters", key: "filters" },
        field("feature", "Rollout", typed("feature", "all")),
        field("type", "What", h("select", { id: "f-type",
          onchange: (change) => app.set({ type: change.target.value }) },
          h("option", { value: "" }, "everything"),
          types.map((type) => h("option", { value: type, selected: app.query().type === type },
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
