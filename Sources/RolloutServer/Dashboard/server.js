// The server as the page knows it: questions, changes, and the stream of events that says when to
// ask again.

/** An answer that is none: what the server said, or that it said nothing. */
export class Failure extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? "The server does not answer.");
    this.status = status;
    this.code = problem?.code ?? "offline";
    this.problem = problem ?? {};
  }
}

/** Milliseconds after which an answer is given up. */
const patience = 20_000;

async function send(method, path, { body, headers = {} } = {}) {
  const options = { method, headers: { ...headers }, credentials: "same-origin",
    signal: AbortSignal.timeout(patience), cache: "no-store" };
  if (method !== "GET") options.headers["X-Rollout"] = "1";
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try { answer = await fetch(path, options); } catch { throw new Failure(0); }
  const text = await answer.text();
  let value = null;
  try { value = text ? JSON.parse(text) : null; } catch { /* A proxy's page, not ours. */ }
  if (!answer.ok) throw new Failure(answer.status, value);
  return value;
}

/** A path of segments, each encoded. */
export const path = (...segments) => "/v1/" + segments.map(encodeURIComponent).join("/");

export const query = (items) => {
  const given = Object.entries(items).filter(([, value]) => value != null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const ask = (path) => send("GET", path);
export const remove = (path) => send("DELETE", path);
export const post = (path, body, headers) => send("POST", path, { body, headers });

/** A change of a plan as it was seen. The key makes a repeat of it harmless. */
export const command = (feature, name, version, key, body) =>
  post(path("plans", feature, name), body,
    { "If-Match": `"${version}"`, "Idempotency-Key": key });

/** A name for one thing that a person wants done. */
export const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");

const backOff = { first: 1000, last: 30_000 };
/** Silence after which a connection is taken for dead; the server speaks every few seconds. */
const silenceMax = 45_000;

/**
 * The event stream. Goes on where it was after every break, waits longer each time, and rests while
 * nobody looks.
 */
export class Live {
  constructor({ event, change }) {
    this.event = event;
    this.change = change;
    this.isOnline = false;
    this.lastHeard = null;
    this.lostAt = null;
    this.nextTry = null;
    this.isRefused = false;
    this.lastID = "";
    this.wait = backOff.first;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.pause();
      else if (this.isWanted) this.open();
    });
  }

  start() {
    this.isWanted = true;
    if (!document.hidden) this.open();
  }

  stop() {
    this.isWanted = false;
    this.lastID = "";
    this.pause();
  }

  pause() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  /** Now, whatever the back-off says. */
  async open() {
    this.pause();
    const abort = new AbortController();
    this.abort = abort;
    this.nextTry = null;
    const headers = this.lastID ? { "Last-Event-ID": this.lastID } : {};
    try {
      const answer = await fetch("/v1/events", { headers, signal: abort.signal, cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) {
        this.isRefused = answer.status === 401;
        throw new Failure(answer.status);
      }
      if (!answer.ok) throw new Failure(answer.status);
      this.heard();
      await this.read(answer.body.getReader(), abort);
    } catch { /* Whatever ended it, it is tried again. */ }
    if (this.abort !== abort) return;
    this.lost();
  }

  heard() {
    const wasLost = this.lostAt;
    this.isOnline = true;
    this.isRefused = false;
    this.lastHeard = Date.now();
    this.lostAt = null;
    this.wait = backOff.first;
    this.change({ reconnectedAfter: wasLost ? Date.now() - wasLost : null });
  }

  lost() {
    clearTimeout(this.silence);
    this.isOnline = false;
    this.lostAt ??= Date.now();
    this.nextTry = Date.now() + this.wait;
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 2, backOff.last);
    this.change({});
  }

  async read(reader, abort) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      clearTimeout(this.silence);
      this.silence = setTimeout(() => abort.abort(), silenceMax);
      const { done, value } = await reader.read();
      if (done) return;
      this.lastHeard = Date.now();
      rest += decoder.decode(value, { stream: true });
      const messages = rest.split("\n\n");
      rest = messages.pop();
      for (const message of messages) this.take(message);
    }
  }

  take(message) {
    const fields = {};
    for (const line of message.split("\n")) {
      const colon = line.indexOf(": ");
      if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
    }
    if (fields.id) this.lastID = fields.id;
    if (!fields.event) return;
    let data = {};
    try { data = JSON.parse(fields.data); } catch { /* Asked for as a whole then. */ }
    this.event(fields.event, data);
  }
}
