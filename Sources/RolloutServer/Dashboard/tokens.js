// Access tokens, for administrators: who may do what, and when it was last used.

import { h, tag } from "./page.js";
import { path, post, remove } from "./server.js";
import * as words from "./words.js";
import { openQuestion, refusal } from "./actions.js";
import { problem } from "./rollouts.js";

const scopes = ["view", "operate", "evaluate", "alert", "admin"];

export default function tokens(app) {
  const self = { data: null, made: null };
  async function load() {
    try {
      self.data = (await app.ask("/v1/tokens")).tokens;
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    app.draw();
  }
  function revoke(token) {
    openQuestion({ title: `Revoke ${token.name}`, isDangerous: true, done: load,
      text: "Whoever uses it is turned away at once; browsers that signed in with it are signed out.",
      label: `Type ${token.name} to revoke it`, matching: token.name,
      // Its name was typed: that confirms it for the server too.
      perform: () => remove(
        `${path("tokens", token.id)}?confirm=${encodeURIComponent(token.name)}`) });
  }
  return {
    title: () => "Tokens", start: load, refresh: load, stop() { self.made = null; },
    render: () => {
      const valid = (self.data ?? []).filter((token) => stateOf(token)[0] === "valid");
      return [
        h("div", { class: "head", key: "head" }, h("div", {},
          h("h1", {}, self.data ? words.several(valid.length, "valid token") : "Tokens"),
          h("p", { class: "sub" }, "A token is shown once, when it is made.")),
          h("button", { class: "btn main", onclick: () => create(self, app, load) }, "New token…")),
        self.failure && problem(self.failure),
        self.made && h("section", { class: "notice plain", key: "made" }, h("div", {},
          h("h2", {}, `${self.made.name} is made`), h("p", {}, "Copy it now; it is not shown again."),
          h("pre", { tabindex: 0 }, self.made.token))),
        self.data && h("section", { class: "card", key: "rows", "aria-label": "Tokens" },
          table(self.data, revoke)),
      ];
    },
  };
}

function stateOf(token) {
  if (token.revoked_at) return ["revoked", "", "off"];
  if (token.expires_at && Date.parse(token.expires_at) < Date.now()) return ["expired", "", "off"];
  return ["valid", "good"];
}

function table(rows, revoke) {
  const sorted = [...rows].sort((a, b) => (stateOf(a)[0] === "valid" ? 0 : 1) -
    (stateOf(b)[0] === "valid" ? 0 : 1));
  return h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["Name", "State", "May", "Last used", "Ends", ""].map((name) =>
      h("th", { scope: "col" }, name || h("span", { class: "sr" }, "Revoke"))))),
    h("tbody", {}, sorted.map((token) => h("tr", { key: token.id },
      h("td", {}, token.name), h("td", {}, tag(...stateOf(token))),
      h("td", {}, token.scopes.join(", "),
        token.features && h("span", { class: "muted" }, ` · only ${token.features.join(", ")}`)),
      h("td", { class: "num nw", "data-name": "last used" }, token.last_used_at ? words.moment(token.last_used_at) : "never"),
      h("td", { class: "num nw", "data-name": "ends" }, token.expires_at ? words.moment(token.expires_at) : "never"),
      h("td", {}, stateOf(token)[0] === "valid" && h("button", {
        "aria-label": `Revoke ${token.name}…`, onclick: () => revoke(token) }, "Revoke…"))))));
}

function create(self, app, done) {
  const wrong = h("div", { class: "wrong", role: "alert" });
  const name = h("input", { id: "t-name", required: true, autocomplete: "off" });
  const span = h("input", { id: "t-span", value: "90d", autocomplete: "off" });
  const only = h("input", { id: "t-only", placeholder: "all", autocomplete: "off" });
  const boxes = scopes.map((scope) => h("label", { class: "check" },
    h("input", { type: "checkbox", name: "scope", value: scope, checked: scope === "view" }), scope));
  const dialog = h("dialog", { "aria-labelledby": "t-title" }, h("form", { async onsubmit(event) {
    event.preventDefault();
    const features = only.value.split(/[\s,]+/).filter(Boolean);
    const body = { name: name.value.trim(), expires_in: span.value.trim() || "365d",
      scopes: [...dialog.querySelectorAll("[name=scope]:checked")].map((box) => box.value),
      ...(features.length ? { features } : {}) };
    try {
      self.made = await post("/v1/tokens", body);
      dialog.close();
      done();
    } catch (failure) { wrong.replaceChildren(refusal(failure)); }
  } },
  h("h2", { id: "t-title" }, "New token"),
  h("label", { for: "t-name" }, "Name"), name,
  h("fieldset", {}, h("legend", { class: "small muted" }, "May"), boxes),
  h("label", { for: "t-span" }, "Ends after (such as 90d, or never)"), span,
  h("label", { for: "t-only" }, "Only these rollouts"), only, wrong,
  h("div", { class: "acts" },
    h("button", { class: "btn", type: "button", onclick: () => dialog.close() }, "Cancel"),
    h("button", { class: "btn main", type: "submit" }, "Confirm"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  name.focus();
}
