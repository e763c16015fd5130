// Elements and how a new picture of the page is laid over the old one: what is the same stays, with
// its focus, its selection and whatever a person has unfolded.

const svgNames = "http://www.w3.org/2000/svg";

/** An HTML element. `on…` are handlers, `key` tells it from its siblings, null is left out. */
export const h = (tag, properties, ...children) =>
  build(document.createElement(tag), properties, children);

/** An SVG element. */
export const s = (tag, properties, ...children) =>
  build(document.createElementNS(svgNames, tag), properties, children);

function build(element, properties, children) {
  element.$on = {};
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value == null || value === false) continue;
    if (name === "key") element.$key = value;
    else if (name.startsWith("on")) {
      element.$on[name] = value;
      element[name] = value;
    } else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child == null || child === false || child === "") continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

const isSame = (a, b) =>
  a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.$key === b.$key;

/** What people change themselves stays as they left it. */
const isTheirs = (element, name) =>
  (name === "open" && element.nodeName === "DETAILS") ||
  (name === "value" && element === document.activeElement);

/** Makes `old` look like `next`, which is used up. */
export function patch(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name, value } of [...next.attributes]) {
    if (old.getAttribute(name) !== value && !isTheirs(old, name)) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !isTheirs(old, name)) old.removeAttribute(name);
  }
  const handlers = next.$on ?? {};
  for (const name of Object.keys(old.$on ?? {})) if (!handlers[name]) old[name] = null;
  for (const [name, handler] of Object.entries(handlers)) old[name] = handler;
  old.$on = handlers;
  patchChildren(old, [...next.childNodes]);
}

/** Makes the children of `parent` look like these. */
export function patchChildren(parent, next) {
  const keyed = new Map();
  for (const child of parent.childNodes) if (child.$key != null) keyed.set(child.$key, child);
  let at = parent.firstChild;
  for (const child of next) {
    let match = at;
    if (child.$key != null) match = keyed.get(child.$key);
    else while (match && match.$key != null) match = match.nextSibling;
    if (!match || !isSame(match, child)) {
      parent.insertBefore(child, at);
      continue;
    }
    patch(match, child);
    if (match === at) at = at.nextSibling;
    else parent.insertBefore(match, at);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** Has a screen reader say it when it is done with what it says. */
export function speak(text) {
  const place = document.getElementById("spoken");
  if (place.textContent !== text) place.textContent = text;
}

const glyphs = {
  // Each state has a shape of its own, for those who see no colours.
  bad: () => [s("path", { d: "M6 1.2 11.2 10.4H.8Z" })],
  warn: () => [s("path", { d: "M6 .8 11.2 6 6 11.2 .8 6Z" })],
  good: () => [s("circle", { cx: 6, cy: 6, r: 4.6 })],
  wait: () => [s("circle", { cx: 6, cy: 6, r: 4.2, class: "hollow" })],
  rest: () => [s("path", { d: "M2.4 2h2.6v8H2.4ZM7 2h2.6v8H7Z" })],
  off: () => [s("path", { d: "M1.8 1.8h8.4v8.4H1.8Z" })],
};

export const glyph = (name) =>
  s("svg", { class: "glyph", width: 10, height: 10, viewBox: "0 0 12 12", "aria-hidden": "true" },
    glyphs[name]());

/** A state in a word, with its shape. */
export const tag = (word, tone, shape) =>
  h("span", { class: `tag ${tone}` }, glyph(shape ?? tone), word);

export const gateMark = (kind) => {
  const drawn = {
    open: "M5 8.2l2 2 4-4.4", wait: "M8 4.4V8l2.4 1.6", shut: "M5 8h6",
  };
  return s("svg", { class: `gate ${kind}`, width: 16, height: 16, viewBox: "0 0 16 16",
    role: "img", "aria-label": { open: "open", wait: "waits", shut: "closed" }[kind] },
    s("circle", { cx: 8, cy: 8, r: 7 }), s("path", { d: drawn[kind] }));
};

/** A share of a whole as a bar; `more` is a paler part beyond it. */
export const meter = (share, tone = "", more = 0) => {
  const width = (part) => `${(Math.min(1, Math.max(0, part)) * 100).toFixed(1)}%`;
  return h("div", { class: "meter", "aria-hidden": "true" },
    s("svg", {},
      more > share && s("rect", { class: `m ${tone} more`, width: width(more), height: 6, rx: 3 }),
      s("rect", { class: `m ${tone}`, width: width(share), height: 6, rx: 3 })));
};

/** Where a plan is: its stages, those it came back from hatched. `from` is the stage it left. */
export function track(plan, { mini = false, from = -1 } = {}) {
  const isOff = ["draft", "killed", "archived"].includes(plan.status);
  const here = isOff ? -1 : plan.stage_index;
  const items = plan.stages.map((stage, index) => {
    const isHere = index === here;
    const name = index <= here ? "on" : index <= from ? "was" : "";
    return h("li", { class: `${name}${isHere ? " here" : ""}`,
      "aria-current": isHere ? "step" : null },
      h("i"), h("span", {}, stageName(stage.name, plan)),
      name === "was" ? h("span", { class: "sr" }, " (came back from here)") : null);
  });
  const label = here < 0 ? "Stage: nobody has it" : `Stage ${stageName(plan.stage, plan)}`;
  return h("ol", { class: `track${mini ? " mini" : ""}${isOff ? " off" : ""}`,
    "aria-label": label }, items);
}

/** `25` is a share where the stage has that share. */
export function stageName(name, plan) {
  const stage = plan.stages.find((one) => one.name === name);
  return stage?.percent != null && String(stage.percent) === name ? `${name}\u00a0%` : name;
}
