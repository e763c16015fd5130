// Where a link of a message leads: what it would do, in a sentence, and a button that does it. Opening
// it does nothing, for mail scanners and previews open links too.

import { h } from "./page.js";
import { path } from "./server.js";
import * as words from "./words.js";
import { openAction } from "./actions.js";
import { problem } from "./rollouts.js";

const titles = { approve: "Approve", acknowledge: "Acknowledge" };

export default function act(app, text) {
  let link = null;
  let plan = null;
  let failure = null;

  async function load() {
    try {
      link = await app.ask(path("links", text));
      plan = await app.ask(path("plans", link.feature));
      failure = null;
    } catch (found) { failure = found; }
    app.draw();
  }

  const title = () => link ? `${titles[link.action] ?? "Look at"} ${link.feature}?` : "A link";
  return {
    title, start: load, refresh: load, event: load,
    render: () => [
      h("div", { class: "head", key: "head" }, h("h1", {}, title())),
      failure && problem(failure),
      link && h("section", { class: "card pad wish", "aria-label": "What it does", key: "what" },
        h("p", {}, link.sentence),
        link.usable
          ? h("p", { class: "small muted" }, `Good for one use until ${words.moment(link.expires_at)}. ` +
            `You are signed in as ${app.who.name}; what you do stands in the history under that name.`)
          : h("p", { class: "banner", role: "status" }, link.why),
        h("div", { class: "acts" },
          h("a", { class: "btn", href: `/plans/${encodeURIComponent(link.feature)}` }, "Look at the plan"),
          link.usable && h("button", { class: "btn main",
            "aria-disabled": String(Boolean(app.hindrance())),
            onclick: () => openAction(app, link.action, plan, { done: load }) },
          `${titles[link.action]}…`))),
    ],
  };
}
