// The frame of the page: who is signed in, which screen the address names, the connection, keys.

import { h, patch, patchChildren, speak } from "./page.js";
import { Failure, Live, ask, path, post, remove } from "./server.js";
import * as words from "./words.js";
import act from "./act.js";
import activity from "./activity.js";
import jobs from "./jobs.js";
import money from "./money.js";
import plan from "./plan.js";
import providers from "./providers.js";
import rollouts from "./rollouts.js";
import tokens from "./tokens.js";

const screens = [
  { name: "Rollouts", path: "/", key: "o", make: rollouts },
  { name: "Activity", path: "/activity", key: "a", make: activity },
  { name: "Providers", path: "/providers", key: "p", make: providers,
    may: (app) => !app.who?.features },
  { name: "Money", path: "/money", key: "m", make: money },
  { name: "Tokens", path: "/tokens", key: "t", make: tokens, may: (app) => app.may("admin") },
  { name: "Jobs", path: "/jobs", key: "j", make: jobs, may: (app) => app.may("evaluate") },
];

const keyHelp = [
  ["/", "find a rollout"], ["j  k", "next, previous row"], ["Enter", "open the row"],
  ["g o  g a  g p  g m", "rollouts, activity, providers, money"],
  ["1  6  d  w", "an hour, six, a day, a week"], ["a  r  p  k", "advance, roll back, pause, kill"],
  ["←  →", "move the line in a figure"], ["Esc", "close, or leave a field"], ["?", "this list"],
];

/** What a screen shows again while it loads; forgotten with the tab. */
const memory = new Map();

const app = {
  who: null,
  screen: null,
  live: new Live({ event: heard, change: connectionChanged }),
  said: null,
  memory,
  may: (scope) => app.who?.scopes.includes(scope) ?? false,
  /** Why nothing can be changed now; null where it can. */
  hindrance() {
    if (!app.may("operate")) return "This token may only look.";
    return app.live.isOnline || !app.live.lostAt ? null : "Not connected.";
  },
  draw() {
    app.drawing ??= requestAnimationFrame(() => {
      app.drawing = null;
      drawAll();
    });
  },
  go(address, { replace = false } = {}) {
    const url = new URL(address, location.href);
    if (url.pathname + url.search === location.pathname + location.search) return;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    show(!replace);
  },
  /** The same screen with another query. */
  set(changes, { replace = true } = {}) {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) {
      if (value == null || value === "") url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    app.go(url, { replace });
  },
  query: () => Object.fromEntries(new URL(location.href).searchParams),
  /** Says something for a while at the top of the page. */
  say(text) {
    app.said = text;
    speak(text);
    clearTimeout(app.saidTimer);
    app.saidTimer = setTimeout(() => {
      app.said = null;
      app.draw();
    }, 9000);
    app.draw();
  },
  /** Asks; where the session has ended, for the token again. */
  async ask(address) {
    try { return await ask(address); } catch (failure) {
      if (failure.status === 401) ended();
      throw failure;
    }
  },
  ended,
};

// MARK: Signing in

async function begin() {
  try {
    const before = app.who;
    app.who = await ask(path("session"));
    const isAnew = before && before.server_started_at !== app.who.server_started_at;
    if (!app.live.isWanted) app.live.start();
    show(false);
    return isAnew;
  } catch (failure) {
    if (failure.status === 401) {
      app.who = null;
      app.signing = app.signing ?? {};
      show(false);
    } else {
      app.unreachable = true;
      app.draw();
      setTimeout(begin, 3000);
    }
  }
  return false;
}

function ended() {
  if (!app.who) return;
  app.who = null;
  app.live.stop();
  app.signing = { note: "You are signed out: the token was revoked, or twelve hours are over." };
  memory.clear();
  show(false);
}

async function signIn(submit) {
  submit.preventDefault();
  const field = submit.target.elements.token;
  app.signing = { isBusy: true };
  app.draw();
  try {
    await post(path("session"), { token: field.value.trim() });
    await ask(path("session"));
    app.signing = null;
    field.value = "";
    await begin();
  } catch (failure) {
    const isKept = failure.status !== 401 || failure.code !== "unauthorized" ||
      !/valid token as/.test(failure.message);
    app.signing = { wrong: isKept ? failure.message
      : "The browser did not keep the cookie: away from this machine the dashboard needs https." };
    app.draw();
  }
}

async function signOut() {
  try { await remove(path("session")); } catch (failure) {
    if (failure.status !== 401) return app.say(failure.message);
  }
  app.who = null;
  app.live.stop();
  memory.clear();
  app.signing = { note: "You are signed out." };
  show(false);
  return null;
}

const signInForm = () => [
  h("section", { class: "card pad sign", key: "sign" },
    h("h1", {}, "Sign in"),
    h("p", { class: "small muted" },
      "Tokens come from rollout token create. It stays in this browser for 12 hours; what it may " +
      "do is shown at the top."),
    app.signing?.note && h("p", { class: "banner" }, app.signing.note),
    h("form", { onsubmit: signIn },
      h("label", { for: "token" }, "Token"),
      h("input", { id: "token", name: "token", type: "password", autocomplete: "current-password",
        required: true, spellcheck: "false", autocapitalize: "off" }),
      h("p", { class: "bad small", role: "alert" }, app.signing?.wrong),
      h("button", { class: "btn main", type: "submit" }, "Sign in"))),
];

// MARK: The screen that the address names

/** The plan that an address is about; null for none, or for what nobody could have encoded. */
function featureOf(address) {
  const found = /^\/plans\/([^/]+)$/.exec(address);
  try { return found ? decodeURIComponent(found[1]) : null; } catch { return null; }
}

/** What a link of a message says; null for other addresses. */
const linkOf = (address) => /^\/act\/([A-Za-z0-9._-]+)$/.exec(address)?.[1] ?? null;

function show(isNew) {
  words.showUTC(app.query().tz === "utc");
  const address = location.pathname;
  const found = featureOf(address);
  const screen = screens.find((one) => one.path === address);
  const link = linkOf(address);
  const name = !app.who ? "sign in" : found ? `plan ${found}` : address;
  if (app.screenName !== name) {
    app.screen?.stop?.();
    app.screen = null;
    if (app.who) {
      app.screen = found ? plan(app, found) : link ? act(app, link)
        : (screen?.make ?? missing)(app);
      app.screen.start?.();
    }
    app.screenName = name;
    if (isNew) {
      scrollTo(0, 0);
      document.getElementById("main").focus({ preventScroll: true });
    }
  } else app.screen?.changed?.();
  app.draw();
}

const missing = () => ({
  title: () => "Not here",
  render: () => [h("h1", {}, "There is no such page"),
    h("p", { class: "sub" }, h("a", { href: "/" }, "To the rollouts"))],
});

// MARK: What the server tells

function heard(name, data) {
  app.screen?.event?.(name, data);
  app.draw();
}

async function connectionChanged({ reconnectedAfter }) {
  if (app.live.isRefused) return ended();
  if (reconnectedAfter != null) {
    const isAnew = await begin();
    app.screen?.refresh?.();
    app.say(isAnew
      ? `Connected again. The server was restarted at ${words.moment(app.who.server_started_at)}.`
      : `Connected again after ${words.span(reconnectedAfter)}.`);
  }
  return app.draw();
}

// MARK: Drawing

function drawAll() {
  const header = document.getElementById("top");
  patchChildren(header, [top()]);
  const main = document.getElementById("main");
  const content = app.who ? app.screen?.render() ?? []
    : app.signing ? signInForm() : [h("h1", {}, "Rollout"), app.unreachable &&
      h("p", { class: "banner warn" }, h("b", {}, "The server does not answer."),
        " Trying again every few seconds.")];
  patchChildren(main, content.flat().filter(Boolean));
  document.title = app.who ? `${app.screen?.title() ?? "Rollout"} · Rollout` : "Sign in · Rollout";
  drawStrip(header);
  drawFoot();
}

function top() {
  const isHere = (screen) => screen.path === location.pathname ||
    (screen.path === "/" && location.pathname.startsWith("/plans/"));
  return h("div", {},
    h("a", { class: "brand", href: "/" },
      h("img", { src: "/assets/icon.svg", width: 22, height: 22, alt: "" }), "Rollout"),
    app.who && h("nav", { "aria-label": "Pages" },
      screens.filter((screen) => screen.may?.(app) ?? true).map((screen) =>
        h("a", { href: screen.path, "aria-current": isHere(screen) ? "page" : null },
          screen.name))),
    app.who && h("form", { class: `find${location.pathname === "/" ? " shown" : ""}`, role: "search",
      onsubmit: find },
      h("kbd", { "aria-hidden": "true" }, "/"),
      h("input", { id: "find", type: "search", placeholder: "find a rollout",
        "aria-label": "Find a rollout", value: location.pathname === "/" ? app.query().filter : null,
        oninput: findSoon, autocomplete: "off" })),
    app.who && liveStatus(),
    app.who && h("span", { class: "who" }, h("b", {}, app.who.name), ` · ${mayWord()}`,
      app.who.auth === "on" && [" · ", h("button", { class: "link", onclick: signOut }, "Sign out")]));
}

const mayWord = () => app.may("admin") ? "may do everything" : app.may("operate") ? "may operate"
  : "may look";

function liveStatus() {
  const { isOnline, lastHeard, lostAt } = app.live;
  const isLost = !isOnline && lostAt;
  return h("span", { class: "live" }, h("i", { class: isLost ? "lost" : null }),
    isLost ? "not connected" : isOnline ? "live" : "connecting",
    isOnline && h("span", { class: "hide-phone" }, ` · ${words.span(Date.now() - lastHeard)} ago`));
}

function find(submit) {
  submit.preventDefault();
  clearTimeout(app.finding);
  const text = document.getElementById("find").value.trim();
  app.go(text ? `/?filter=${encodeURIComponent(text)}` : "/",
    { replace: location.pathname === "/" });
}

function findSoon() {
  if (location.pathname !== "/") return;
  clearTimeout(app.finding);
  app.finding = setTimeout(
    () => app.set({ filter: document.getElementById("find").value.trim(), after: null }), 200);
}

function drawStrip(header) {
  const banners = [];
  const { lostAt, nextTry, lastHeard, isOnline } = app.live;
  if (app.who && !isOnline && lostAt) {
    const old = lastHeard ? ` What you see is ${words.span(Date.now() - lastHeard)} old.` : "";
    const next = nextTry ? `Trying again in ${words.span(nextTry - Date.now())}.` : "Trying now.";
    banners.push(h("p", { class: "banner warn" },
      h("b", {}, `Not connected since ${words.moment(lostAt)}.`), `${old} ${next} `,
      "Buttons wait until it answers."));
  }
  if (app.who?.auth === "off") {
    banners.push(h("p", { class: "banner" }, h("b", {}, "Nobody is asked for a token."),
      " Whoever works on this machine may change everything: the configuration says auth: off."));
  }
  if (app.who?.durable === false) {
    banners.push(h("p", { class: "banner warn" }, h("b", {}, "The disk takes nothing."),
      " You are signed in until the server ends."));
  }
  let strip = document.getElementById("strip");
  if (!strip) {
    strip = h("aside", { id: "strip", class: "strip", "aria-label": "Said by the page" });
    header.after(strip);
  }
  strip.hidden = banners.length === 0;
  patchChildren(strip, banners);
  // Over the page, so that nothing moves under a finger.
  let toast = document.getElementById("toast");
  if (!toast) {
    toast = h("p", { id: "toast", class: "toast", "aria-hidden": "true" });
    document.body.append(toast);
  }
  toast.hidden = !app.said;
  patchChildren(toast, app.said ? [document.createTextNode(app.said)] : []);
}

function drawFoot() {
  let foot = document.getElementById("foot");
  if (!foot) {
    foot = h("footer", { id: "foot", class: "foot" });
    document.getElementById("main").after(foot);
  }
  patchChildren(foot, app.who ? [
    h("span", {}, `Times in ${words.zoneName()}.`),
    h("button", { class: "link", onclick: () => app.set({ tz: words.isUTC() ? null : "utc" }) },
      words.isUTC() ? "Show mine" : "Show UTC"),
    h("button", { class: "link hide-phone", onclick: showKeys }, "Keys"),
    app.who.auth === "on" &&
      h("button", { class: "link only-phone", onclick: signOut }, "Sign out"),
  ].filter(Boolean) : []);
}

// MARK: Keys

function showKeys() {
  const dialog = h("dialog", { "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keys"),
    h("dl", { class: "keys" }, keyHelp.map(([keys, what]) => [
      h("dt", {}, keys.split("  ").map((key) => [h("kbd", {}, key), " "])), h("dd", {}, what)])),
    h("form", { method: "dialog" }, h("div", { class: "acts" },
      h("button", { class: "btn main" }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("keydown", (press) => {
  const { key, target } = press;
  const isField = /^(INPUT|TEXTAREA|SELECT)$/.test(target.nodeName);
  if (key === "Escape" && isField && !target.closest("dialog")) return target.blur();
  if (isField || press.ctrlKey || press.metaKey || press.altKey || !app.who) return null;
  if (document.querySelector("dialog[open]")) return null;
  if (app.prefix) {
    const screen = screens.find((one) => one.key === key && (one.may?.(app) ?? true));
    app.prefix = false;
    if (screen) app.go(screen.path);
    return press.preventDefault();
  }
  if (key === "g") {
    app.prefix = true;
    setTimeout(() => { app.prefix = false; }, 1500);
  } else if (key === "/") {
    press.preventDefault();
    document.getElementById("find").focus();
  } else if (key === "?") showKeys();
  else if (app.screen?.key?.(key)) press.preventDefault();
  return null;
});

document.addEventListener("click", (click) => {
  const link = click.target.closest?.("a[href^='/']");
  const isPlain = !click.defaultPrevented && click.button === 0 && !click.metaKey &&
    !click.ctrlKey && !click.shiftKey;
  if (!link || !isPlain || link.target || link.pathname.startsWith("/assets/") ||
    link.hasAttribute("download")) return;
  click.preventDefault();
  app.go(link.href);
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && app.who) app.screen?.refresh?.();
});
addEventListener("popstate", () => show(false));
// Ages grow by themselves; the rest of the page is drawn when something has changed.
setInterval(() => {
  if (document.hidden || !app.who) return;
  app.screen?.tick?.();
  patch(document.getElementById("top").firstElementChild, top());
  if (!app.live.isOnline) drawStrip(document.getElementById("top"));
}, 1000);
setInterval(() => { if (!document.hidden && app.who) app.draw(); }, 10_000);

begin();
