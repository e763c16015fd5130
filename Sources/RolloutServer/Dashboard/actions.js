// What people do to a plan: a dialog that says what will happen, in people and requests, and the
// change, which the server refuses for the same reasons as the command line's.

import { gateMark, h, stageName } from "./page.js";
import { command, newKey, path } from "./server.js";
import * as words from "./words.js";

/** How many have it now, as far as that was measured: {users, share, requests a minute}. */
function factsOf(plan) {
  if (plan.facts) return plan.facts;
  const now = plan.now ?? {};
  return { users: now.users ?? null, perMinute: now.requests ? now.requests / 10 : null };
}

const percentAt = (plan, index) => {
  const open = plan.stages.slice(0, index + 1).filter((stage) => stage.percent != null);
  return open.at(-1)?.percent ?? 0;
};

/** About how many people that share is, from how many have it now. */
function peopleAt(plan, share) {
  const { users } = factsOf(plan);
  const now = percentAt(plan, plan.stage_index);
  return users == null || !now ? null : (users / now) * share;
}

const shown = (plan, index) => {
  if (index < 0) return "off";
  const stage = plan.stages[index];
  const name = stageName(stage.name, plan);
  return stage.percent != null && name === stage.name
    ? `${name} (${words.plainPercent(stage.percent)})` : name;
};

// MARK: What each action says and does

const actions = {
  start: {
    title: (plan) => `Start ${plan.feature}`, past: "Started",
    body: (plan) => [`Its first stage begins: ${shown(plan, 0)}.`],
  },
  advance: {
    title: (plan) => plan.next?.action === "advance" && plan.next.to != null
      ? `Advance ${plan.feature} to ${stageName(plan.next.to, plan)}` : `Advance ${plan.feature}`,
    past: "Advanced", gates: true,
    body(plan) {
      const index = plan.stage_index + 1;
      if (!plan.stages[index]) return ["It stands at its last stage; complete it instead."];
      const [from, to] = [percentAt(plan, plan.stage_index), percentAt(plan, index)];
      if (to >= 100) return [h("b", {}, "Everyone"), " gets it."];
      const more = peopleAt(plan, to - from);
      return [`From ${shown(plan, plan.stage_index)} to `, h("b", {}, shown(plan, index)), ". ",
        more ? `About ${words.people(more)} more get it; nobody loses it.`
          : "More people get it; nobody loses it."];
    },
  },
  rollback: {
    title: (plan) => `Roll back ${plan.feature}`, past: "Rolled back", to: true,
    body(plan, to) {
      const index = plan.stages.findIndex((stage) => stage.name === to);
      const [from, less] = [percentAt(plan, plan.stage_index), percentAt(plan, index)];
      const lost = peopleAt(plan, from - less);
      return [`From ${shown(plan, plan.stage_index)} to `, h("b", {}, shown(plan, index)), ". ",
        lost ? `About ${words.people(lost)} lose it, those who joined last. `
          : index < 0 ? "Nobody has it then. " : "Those who joined last lose it. ",
        "Nothing else changes."];
    },
  },
  pause: {
    title: (plan) => `Pause ${plan.feature}`, past: "Paused",
    body: (plan) => [`It goes on serving at ${shown(plan, plan.stage_index)}, and does not advance ` +
      "until somebody resumes it."],
  },
  resume: {
    title: (plan) => `Resume ${plan.feature}`, past: "Resumed",
    body: (plan) => plan.status === "killed"
      ? [`People have it again, as at ${shown(plan, plan.stage_index)}. Say why that is safe.`]
      : ["It may advance again."],
  },
  kill: {
    title: (plan) => `Kill ${plan.feature}`, past: "Killed", isDangerous: true,
    body(plan) {
      const { users, perMinute } = factsOf(plan);
      const who = users ? `: about ${words.people(users)}` : "";
      const asks = perMinute ? `; ${words.several(Math.round(perMinute), "request")} a minute go to the ` +
        "fallback" : "";
      return [`Nobody has it from now on${who}${asks}. At once, and it can be resumed.`];
    },
  },
  acknowledge: {
    title: (plan) => `Acknowledge ${plan.feature}`, past: "Acknowledged",
    body(plan) {
      const cooldown = plan.next?.waiting_on.find((gate) => gate.startsWith("cooldown: "));
      return ["You have looked at it. It may advance again ",
        cooldown ? `when its cooldown ends: ${cooldown.slice(10)}.` : "from now on.",
        plan.hold?.reason ? h("span", { class: "muted" }, ` Held since ${
          words.moment(plan.hold.since)}: ${plan.hold.reason}`) : null];
    },
  },
  approve: {
    title: (plan) => `Approve ${plan.feature} for ${
      plan.next?.to ? stageName(plan.next.to, plan) : "its next step"}`, past: "Approved",
    body: () => ["Another person takes the step then; who approves may not."],
  },
  restore: {
    title: (plan) => `Restore ${plan.feature}`, past: "Restored",
    body: (plan) => [`Back to ${stageName(plan.restore.to, plan)}, where it stood before it stepped ` +
      "back, in one step."],
  },
  complete: {
    title: (plan) => `Complete ${plan.feature}`, past: "Completed", gates: true,
    body: () => ["Everyone keeps it, and who was held out gets it. It is watched for a while yet."],
  },
  archive: {
    title: (plan) => `Archive ${plan.feature}`, past: "Archived", isNamed: true,
    body: () => ["Whoever still asks for it gets the answers of the completed plan for a week, and ",
      h("b", {}, "off"), " from then on. Remove it from the code first."],
  },
  unarchive: {
    title: (plan) => `Bring back ${plan.feature}`, past: "Brought back",
    body: () => ["It is again what it was before it was archived."],
  },
};

/** Gates that a person does not pass, and those that one passes with a warning. */
export function gatesOf(plan) {
  const passable = new Set(plan.next?.warnings ?? []);
  return (plan.next?.waiting_on ?? []).map((text) => ({ text, isPassable: passable.has(text) }));
}

/** What a gate says, as a title and what explains it. */
export function gateText(text) {
  const soak = /^soak: (.*) left$/.exec(text);
  if (soak) return { title: `Soak, ${soak[1]} left`, detail: "It stays here for a while first." };
  const cooldown = /^cooldown: (.*) left$/.exec(text);
  if (cooldown) return { title: `Cooldown, ${cooldown[1]} left`, detail: "After a step back." };
  const evidence = /^healthy evidence: (\d+) of (\d+) samples(?: \((.*)\))?/.exec(text);
  if (evidence) {
    return { title: `${evidence[1]} of ${evidence[2]} clean requests`,
      detail: evidence[3] ? words.metric(evidence[3]) : "Until it is clear that it does well." };
  }
  if (/must acknowledge/.test(text)) {
    return { title: "Nobody has acknowledged yet",
      detail: "The step back must be looked at by a person." };
  }
  // Why it is held stands above everything; what ends it is said here.
  const hold = /^hold: (.*?) \(.*\); (.*)$/s.exec(text);
  if (hold) return { title: `Held ${hold[1]}`, detail: words.whole(hold[2]) };
  const opens = /^(?:hours|time): (opens .*?), (in .*)$/.exec(text);
  if (opens) {
    return { title: words.sentence(opens[1]),
      detail: `${words.sentence(opens[2])}. A person may advance it before.` };
  }
  const parted = /^([a-z_ ]+): (.*)$/s.exec(text);
  return parted ? { title: words.sentence(words.metric(parted[1])), detail: words.whole(parted[2]) }
    : { title: words.sentence(text), detail: null };
}

const canForce = (gates) =>
  gates.some((gate) => !gate.isPassable && !/^(hold|approval|cooldown)/.test(gate.text));

// MARK: The dialog

/** Asks for a reason and a word; `done` is called when it is done. */
export function openAction(app, name, plan, { done } = {}) {
  const action = actions[name];
  const hindrance = app.hindrance();
  if (hindrance) return app.say(`${hindrance} ${app.may("operate") ? ""
    : "Changes need one with scope operate: rollout token create --name you --scope operate"}`);
  const targets = action.to
    ? [...plan.stages.slice(0, Math.max(0, plan.stage_index)).map((stage) => stage.name).reverse(),
      "off"] : [];
  const gates = action.gates ? gatesOf(plan) : [];
  let key = newKey();
  let sent = null;

  const says = h("p", { id: "act-says" }, action.body(plan, targets[0]));
  const wrong = h("div", { class: "wrong", role: "alert" });
  const reason = h("input", { id: "act-reason", name: "reason", maxlength: 1000,
    autocomplete: "off", autofocus: true });
  const target = targets.length > 0 && h("select", { id: "act-to", onchange() {
    says.replaceChildren(...action.body(plan, target.value).filter(Boolean));
  } }, targets.map((stage) => h("option", { value: stage },
    shown(plan, plan.stages.findIndex((one) => one.name === stage)))));
  const force = canForce(gates) && h("input", { id: "act-force", type: "checkbox" });
  const typed = action.isNamed && h("input", { id: "act-name", autocomplete: "off",
    oninput: () => mark() });
  const confirm = h("button", { class: `btn ${action.isDangerous ? "kill" : "main"}`,
    type: "submit" }, "Confirm");
  const isNamed = () => !typed || typed.value.trim() === plan.feature;
  const mark = () => confirm.setAttribute("aria-disabled", String(!isNamed()));

  async function submit(event) {
    event.preventDefault();
    if (!isNamed() || confirm.getAttribute("aria-disabled") === "true") return;
    const body = { reason: reason.value.trim() };
    if (target) body.to = target.value;
    if (force && force.checked) body.force = true;
    if (typed) body.confirm = typed.value.trim();
    // The same words again are the same wish; others are another.
    const text = JSON.stringify(body);
    if (sent !== null && sent !== text) key = newKey();
    sent = text;
    confirm.setAttribute("aria-disabled", "true");
    wrong.replaceChildren();
    try {
      const plan2 = await command(plan.feature, name, plan.version, key, body);
      dialog.close();
      const warned = plan2.warnings?.length ? ` Passed over: ${plan2.warnings.join("; ")}.` : "";
      const kept = plan2.durable === false ? " In force, and not on disk yet." : "";
      app.say(`${action.past} ${plan.feature}.${warned}${kept}`);
      done?.();
    } catch (failure) {
      if (failure.status === 401) {
        dialog.close();
        return app.ended();
      }
      if (failure.status !== 0) sent = null;
      if (failure.status !== 0) key = newKey();
      confirm.setAttribute("aria-disabled", "false");
      if (failure.code === "stale_version") return overtaken(failure);
      wrong.replaceChildren(refusal(failure));
    }
    return null;
  }

  /** Somebody was faster: who, what and why. */
  async function overtaken(failure) {
    let line = failure.message;
    try {
      const { events } = await app.ask(path("plans", plan.feature, "events") + "?limit=1");
      const [event] = events;
      const why = event.reason ? `: “${event.reason}”` : "";
      line = `${words.actor(event.actor)} ${words.deed(event).toLowerCase()} it${
        event.from && event.from.stage !== event.to.stage ? ` to ${event.to.stage}` : ""} ${
        words.span(Date.now() - Date.parse(event.at))} ago${why}.`;
    } catch { /* The server's own sentence does. */ }
    dialog.querySelector("form").replaceChildren(
      h("h2", { id: "act-title" }, "Somebody was faster"),
      h("p", { role: "alert" }, `${words.sentence(line)} Nothing of yours was done.`),
      h("div", { class: "acts" }, h("button", { class: "btn main", type: "button", onclick() {
        dialog.close();
        done?.();
      } }, "Look again")));
    dialog.querySelector("button").focus();
  }

  const dialog = h("dialog", { "aria-labelledby": "act-title", "aria-describedby": "act-says" },
    h("form", { onsubmit: submit },
      h("h2", { id: "act-title", class: action.isDangerous ? "bad" : null }, action.title(plan)),
      says,
      gates.length > 0 && h("div", {},
        h("p", { class: "small muted" }, "Not open yet:"),
        h("ul", { class: "gates" }, gates.map(({ text, isPassable }) => h("li", {},
          gateMark(isPassable ? "wait" : "shut"),
          gateLine(text, isPassable ? "A person may pass it." : "Closed."))))),
      target && h("label", { for: "act-to" }, "To"), target,
      h("label", { for: "act-reason" }, "Reason"), reason,
      force && h("label", { class: "check" }, force,
        "Go on although gates are closed; needs a reason"),
      typed && h("label", { for: "act-name" }, `Type ${plan.feature} to archive it`), typed,
      wrong,
      h("div", { class: "acts" },
        h("button", { class: "btn", type: "button", onclick: () => dialog.close() }, "Cancel"),
        confirm)));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  mark();
  dialog.showModal();
  reason.focus();
  return null;
}

function gateLine(text, verdict) {
  const { title, detail } = gateText(text);
  return h("div", {}, title, h("p", {}, [detail, verdict].filter(Boolean).join(" ")));
}

/** What the server says instead of doing it. */
export function refusal(failure) {
  const waiting = failure.problem.waiting_on ?? [];
  return h("div", {},
    h("p", {}, failure.status === 0
      ? "The server does not answer; nobody knows whether it was done. Confirm again: it is done once."
      : failure.message),
    waiting.length > 1 && h("ul", {}, waiting.map((gate) => h("li", {}, words.sentence(gate)))));
}

/** A question with one field or none, such as a name to type before a token is revoked. */
export function openQuestion({ title, text, label, matching, isDangerous, perform, done }) {
  const wrong = h("div", { class: "wrong", role: "alert" });
  const field = label && h("input", { id: "ask-field", autocomplete: "off", autofocus: true,
    oninput: () => mark() });
  const confirm = h("button", { class: `btn ${isDangerous ? "kill" : "main"}`, type: "submit" },
    "Confirm");
  const isReady = () => !matching || field.value.trim() === matching;
  const mark = () => confirm.setAttribute("aria-disabled", String(!isReady()));
  const dialog = h("dialog", { "aria-labelledby": "ask-title" },
    h("form", { async onsubmit(event) {
      event.preventDefault();
      if (!isReady()) return;
      try {
        await perform(field ? field.value.trim() : null);
        dialog.close();
        done?.();
      } catch (failure) { wrong.replaceChildren(refusal(failure)); }
    } },
    h("h2", { id: "ask-title", class: isDangerous ? "bad" : null }, title),
    h("p", {}, text), field && h("label", { for: "ask-field" }, label), field, wrong,
    h("div", { class: "acts" },
      h("button", { class: "btn", type: "button", onclick: () => dialog.close() }, "Cancel"),
      confirm)));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  mark();
  dialog.showModal();
}
