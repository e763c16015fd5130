// Requests that are answered later: those of this token, for an administrator everybody's.

import { h, tag } from "./page.js";
import { path, query, remove } from "./server.js";
import * as words from "./words.js";
import { openQuestion } from "./actions.js";
import { problem } from "./rollouts.js";

const states = { queued: ["queued", "", "wait"], processing: ["processing", "warn", "wait"],
  succeeded: ["succeeded", "good"], failed: ["failed", "bad"], expired: ["expired", "warn", "off"],
  cancelled: ["cancelled", "", "off"] };

export default function jobs(app) {
  const self = { rows: null };
  let timer = null;
  let shown = 50;
  async function load() {
    clearTimeout(timer);
    timer = setTimeout(load, 3000);
    if (document.hidden) return;
    try {
      const { feature, status } = app.query();
      const page = await app.ask("/v1/jobs" + query({ feature, status, limit: shown }));
      self.rows = page.jobs;
      self.hasMore = page.next != null;
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    app.draw();
  }
  function cancel(job) {
    openQuestion({ title: "Cancel the job", isDangerous: true, done: load,
      text: `${job.job_id} of ${job.feature} is not answered then.`,
      perform: () => remove(path("jobs", job.job_id)) });
  }
  return {
    title: () => "Jobs", start: load, stop: () => clearTimeout(timer), refresh: load, changed: load,
    render: () => {
      const waiting = (self.rows ?? []).filter((job) => job.status === "queued").length;
      return [
        h("div", { class: "head", key: "head" }, h("div", {},
          h("h1", {}, !self.rows ? "Jobs" : waiting
            ? `${words.number(waiting)} job${waiting === 1 ? " waits" : "s wait"}` : "No job waits"),
          h("p", { class: "sub" }, app.may("admin") ? "Everybody’s, the last one made first."
            : "Those that this token made, the last one first."))),
        h("div", { class: "filters", key: "filters" },
          h("div", {}, h("label", { for: "j-feature" }, "Rollout"),
            h("input", { id: "j-feature", value: app.query().feature ?? "", placeholder: "all",
              autocomplete: "off",
              onchange: (change) => app.set({ feature: change.target.value.trim() }) })),
          h("div", {}, h("label", { for: "j-status" }, "State"),
            h("select", { id: "j-status",
              onchange: (change) => app.set({ status: change.target.value }) },
              h("option", { value: "" }, "any"), Object.keys(states).map((name) =>
                h("option", { value: name, selected: app.query().status === name }, name))))),
        self.failure && problem(self.failure),
        self.rows && h("section", { class: "card", key: "rows", "aria-label": "Jobs" },
          self.rows.length ? table(self.rows, cancel)
            : h("p", { class: "pad muted" }, "There are none."),
          self.hasMore && shown < 1000 && h("div", { class: "more" }, h("button", { onclick() {
            shown = Math.min(1000, shown * 2);
            load();
          } }, "Show more"))),
      ];
    },
  };
}

function table(rows, cancel) {
  return h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["Job", "Rollout", "State", "Made", "Took", ""].map((name) =>
      h("th", { scope: "col" }, name || h("span", { class: "sr" }, "Cancel"))))),
    h("tbody", {}, rows.map((job) => {
      const took = job.finished_at && job.started_at
        ? words.milliseconds(Date.parse(job.finished_at) - Date.parse(job.started_at)) : "—";
      const isOpen = job.status === "queued" || job.status === "processing";
      return h("tr", { key: job.job_id }, h("td", {}, h("code", {}, job.job_id)),
        h("td", {}, h("a", { href: `/plans/${encodeURIComponent(job.feature)}` }, job.feature)),
        h("td", {}, tag(...(states[job.status] ?? [job.status, ""])),
          job.position ? h("span", { class: "muted" }, ` ${words.count(job.position)}. in line`) : null,
          job.attempts > 1 && h("span", { class: "muted" }, ` ${job.attempts} attempts`)),
        h("td", { class: "num nw", "data-name": "made" }, words.moment(job.created_at)),
        h("td", { class: "num nw", "data-name": "took" }, took),
        h("td", {}, isOpen && h("button", { onclick: () => cancel(job),
          "aria-label": `Cancel ${job.job_id}…` }, "Cancel…")));
    })));
}
