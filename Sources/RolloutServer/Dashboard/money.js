// What was spent, where it is heading, and what the next stages would add.

import { h, meter, stageName } from "./page.js";
import { post } from "./server.js";
import * as words from "./words.js";
import { openQuestion } from "./actions.js";
import { problem } from "./rollouts.js";

/** What a budget will have spent at the end of its window, if it goes on so; null where unknown. */
export function projected(budget, now = Date.now()) {
  const [start, end] = [budget.window_start, budget.window_end].map((at) => at && Date.parse(at));
  if (!end || now <= start || now >= end) return null;
  // The first moments say nothing yet.
  return (now - start) / (end - start) < 0.02 ? null
    : (budget.spent_usd / (now - start)) * (end - start);
}

export function budgetRows(budgets) {
  if (!budgets.length) return h("p", { class: "quiet" }, "No budget is configured.");
  return budgets.map((budget) => {
    const ends = projected(budget);
    const limit = budget.limit_usd || 1;
    const isOver = ends != null && ends > budget.limit_usd;
    return h("div", { key: `${budget.name} ${budget.scope ?? ""}` },
      h("span", {}, budget.name, budget.scope && h("span", { class: "muted" }, ` · ${budget.scope}`)),
      h("span", { class: "num" }, words.dollars(budget.spent_usd), " ",
        h("span", { class: "muted" }, `of ${words.dollars(budget.limit_usd)}`)),
      meter(budget.spent_usd / limit, isOver ? "amber" : "", ends == null ? 0 : ends / limit),
      budget.shut ? h("span", { class: "row small bad" }, "shut: what was spent before is not known")
        : h("span", { class: `row small ${isOver ? "warn" : "muted"}` }, ends == null
          ? budget.reserved_usd ? `${words.dollars(budget.reserved_usd)} reserved` : ""
          : `${words.dollars(ends)} by ${words.lastDay(budget.window_end)} at this pace`));
  });
}

export default function money(app) {
  const self = app.memory.get("money") ?? {};
  app.memory.set("money", self);
  let timer = null;
  async function load() {
    clearTimeout(timer);
    timer = setTimeout(load, 5000);
    if (document.hidden) return;
    try {
      [self.data, self.plans] = await Promise.all([app.ask("/v1/budgets"),
        app.ask("/v1/overview?limit=100")]);
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    app.draw();
  }
  function accept() {
    openQuestion({ title: "Spend on", done: load, label: "Reason",
      text: `${self.data.lost} Say why it is safe to spend on; it is recorded.`,
      perform: (reason) => post("/v1/budgets/accept", { reason }) });
  }
  return {
    title: () => "Money", start: load, stop: () => clearTimeout(timer), refresh: load, event: load,
    render: () => [
      h("div", { class: "head", key: "head" }, h("div", {}, h("h1", {}, title(self.data)),
        h("p", { class: "sub" }, "Spent, projected to the end of each window, and what comes next."))),
      self.failure && problem(self.failure),
      self.data?.lost && h("section", { class: "notice", key: "lost" },
        h("div", {}, h("h2", {}, "What was spent before is not known"), h("p", {}, self.data.lost)),
        h("button", { class: "btn main", onclick: accept,
          "aria-disabled": app.hindrance() ? "true" : null }, "Accept…")),
      self.data && h("section", { class: "card pad", key: "budgets", "aria-labelledby": "bu" },
        h("h2", { id: "bu" }, "Budgets"), h("div", { class: "kv" }, budgetRows(self.data.budgets))),
      self.plans && costs(self.plans.plans),
    ],
  };
}

function title(data) {
  if (!data) return "Money";
  const over = data.budgets.filter((budget) => {
    const ends = projected(budget);
    return budget.spent_usd >= budget.limit_usd || (ends != null && ends > budget.limit_usd);
  }).length;
  return !data.budgets.length ? "No budgets" : over
    ? `${words.number(over)} budget${over === 1 ? " runs" : "s run"} out`
    : "Within budget";
}

function costs(plans) {
  const rows = plans.filter((row) => row.now.cost_usd_per_hour != null || row.next?.projection);
  if (!rows.length) return null;
  return h("section", { class: "card", key: "costs", "aria-label": "Cost of rollouts" },
    h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Rollout"), h("th", { scope: "col" }, "Stage"),
        h("th", { scope: "col", class: "r" }, "Now, an hour"),
        h("th", { scope: "col", class: "r" }, "Next stage, an hour"),
        h("th", { scope: "col" }, "What that means"))),
      h("tbody", {}, rows.map((row) => {
        const next = row.next?.projection;
        return h("tr", { key: row.feature },
          h("td", {}, h("a", { href: `/plans/${encodeURIComponent(row.feature)}` }, row.feature)),
          h("td", {}, stageName(row.stage, row)),
          h("td", { class: "r num", "data-name": "an hour" },
            words.dollars(row.now.cost_usd_per_hour)),
          h("td", { class: "r num", "data-name": "next stage" }, next ? words.dollars(next.cost_usd_per_hour) : "—"),
          h("td", { class: `wide ${next?.exceeded.length ? "bad" : "muted"}` },
            next ? words.whole(next.exceeded[0] ?? next.sentence) : ""));
      }))));
}
