// Who answers for the AI features, and how they do.

import { h, meter, tag } from "./page.js";
import * as words from "./words.js";
import { problem } from "./rollouts.js";

const share = (one) => one.requests ? one.failures / one.requests : null;

/** A few lines for the first screen: each model that was called. */
export function providerRows(providers) {
  if (!providers.length) return h("p", { class: "quiet" }, "None is configured.");
  const rows = providers.flatMap((provider) => provider.models.length
    ? provider.models.map((model) => ({ provider, model })) : [{ provider, model: null }]);
  return rows.slice(0, 6).map(({ provider, model }) => {
    if (!model) {
      return h("div", { key: provider.name }, h("span", {}, provider.name),
        h("span", { class: "muted small" }, "not called yet"));
    }
    const isOpen = model.breaker !== "closed";
    return h("div", { key: `${provider.name} ${model.model}` },
      h("span", {}, `${provider.name} · ${model.model}`),
      h("span", { class: `num ${isOpen ? "bad" : ""}` },
        isOpen ? `breaker ${model.breaker.replace("_", " ")}` : words.percent(share(model))),
      h("span", { class: "small muted" }, isOpen ? `${words.percent(share(model))} failed · ` : "",
        `p95 ${words.milliseconds(model.latency_ms_p95)}`),
      h("span", { class: "small muted num" }, `${words.count(model.in_flight)} in flight${
        provider.queued ? ` · ${words.count(provider.queued)} waiting` : ""}`));
  });
}

export default function providers(app) {
  const self = app.memory.get("providers") ?? {};
  app.memory.set("providers", self);
  let timer = null;
  async function load() {
    clearTimeout(timer);
    timer = setTimeout(load, 3000);
    if (document.hidden) return;
    try {
      self.data = await app.ask("/v1/providers");
      self.failure = null;
    } catch (failure) { self.failure = failure; }
    app.draw();
  }
  return {
    title: () => "Providers", start: load, stop: () => clearTimeout(timer), refresh: load,
    render: () => [
      h("div", { class: "head", key: "head" }, h("div", {}, h("h1", {}, title(self.data)),
        h("p", { class: "sub" }, "Breakers, failing share, what is in flight and what waits."))),
      self.failure && problem(self.failure),
      self.data?.providers.map(card),
      self.data && !self.data.providers.length && h("p", { class: "card pad muted" },
        "rollout.yaml names no providers; features that do not use the gateway need none."),
    ],
  };
}

function title(data) {
  const open = (data?.providers ?? []).flatMap((one) => one.models)
    .filter((model) => model.breaker === "open").length;
  return !data ? "Providers" : open ? `${words.number(open)} model${open === 1 ? " is" : "s are"} cut off`
    : data.providers.length ? "All providers answer" : "No providers";
}

const tones = { closed: ["breaker closed", "good"], open: ["breaker open", "bad"],
  half_open: ["breaker half open", "warn"] };
const keyTones = { ok: "good", limited: "warn", refused: "bad", out_of_money: "bad" };

function card(provider) {
  const rejected = Object.entries(provider.rejected ?? {}).filter(([, n]) => n > 0)
    .map(([name, n]) => `${words.count(n)} by ${name.replaceAll("_", " ")}`);
  const limits = [
    provider.requests_per_minute && `${words.count(provider.requests_per_minute)} requests a minute`,
    provider.tokens_per_minute && `${words.count(provider.tokens_per_minute)} tokens a minute`,
  ].filter(Boolean);
  return h("section", { class: "card", key: provider.name, "aria-label": provider.name },
    h("div", { class: "pad" },
      h("div", { class: "figh" }, h("h2", {}, provider.name),
        h("span", { class: "small muted" }, [provider.kind, `${words.count(provider.in_flight)} in flight`,
          `${words.count(provider.queued)} waiting`, ...limits].join(" · "))),
      rejected.length > 0 && h("p", { class: "small warn" }, `Turned away: ${rejected.join(", ")}`),
      provider.keys.length > 1 || provider.keys.some((key) => key.state !== "ok")
        ? h("p", { class: "small" }, provider.keys.map((key) => [
          tag(`${key.name}: ${key.state.replaceAll("_", " ")}`, keyTones[key.state] ?? ""), " "]))
        : null),
    provider.models.length ? h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"), h("th", { scope: "col" }, "Breaker"),
        ["Requests", "Failed", "p50", "p95", "p99", "In flight"].map((name) =>
          h("th", { scope: "col", class: "r" }, name)))),
      h("tbody", {}, provider.models.map((model) => h("tr", { key: model.model },
        h("td", {}, model.model), h("td", {}, tag(...(tones[model.breaker] ?? [model.breaker, ""]))),
        h("td", { class: "r num", "data-name": "requests" }, words.count(model.requests)),
        h("td", { class: "r num", "data-name": "failed" }, words.percent(share(model)),
          model.failures > 0 && meter(share(model), "red")),
        ["latency_ms_p50", "latency_ms_p95", "latency_ms_p99"].map((name) =>
          h("td", { class: "r num", "data-name": name.slice(-3) },
            words.milliseconds(model[name]))),
        h("td", { class: "r num", "data-name": "in flight" }, words.count(model.in_flight))))))
      : h("p", { class: "pad muted" }, "Not called since the server began."));
}
