// Numbers, times and states in people's words.

const thin = "\u00a0";
const settings = { utc: false };

/** Whether times are shown in UTC and not where the viewer is. */
export const showUTC = (isOn) => { settings.utc = isOn; };
export const isUTC = () => settings.utc;
export const zoneName = () =>
  settings.utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A share of 1: `22 %`, `1.0 %`. */
export function percent(share) {
  if (share == null) return "—";
  const value = share * 100;
  if (value === 0 || value >= 99.95) return `${Math.round(value)}${thin}%`;
  const digits = value >= 10 ? 0 : value >= 0.095 ? 1 : 2;
  return `${value.toFixed(digits)}${thin}%`;
}

/** Of a share, as short as can be: `5 %`, `0.5 %`. */
export const tickPercent = (share) => plainPercent(Number((share * 100).toPrecision(3)));

/** What is percent already, as people write it: `5 %`, `0.5 %`. */
export const plainPercent = (value) => `${Number(value.toFixed(3))}${thin}%`;

export const count = (value) => value == null ? "—" : Math.round(value).toLocaleString("en");

/** Two digits are enough of what is about so many. */
export function about(value) {
  if (value == null) return "—";
  if (value < 100) return count(value);
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
  return count(Math.round(value / unit) * unit);
}

export const people = (value) => `${about(value)} ${Math.round(value) === 1 ? "person" : "people"}`;
export const several = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function milliseconds(value) {
  if (value == null) return "—";
  if (value < 1000) return `${Math.round(value)}${thin}ms`;
  return `${(value / 1000).toFixed(value < 9950 ? 1 : 0)}${thin}s`;
}

export function dollars(value) {
  if (value == null) return "—";
  if (value === 0) return "$0";
  if (value < 0.01) return "under $0.01";
  return value < 100 ? `$${value.toFixed(2)}` : `$${count(value)}`;
}

/** Of a request: in cents, where it is that little. */
export function cost(value) {
  if (value == null) return "—";
  return value < 0.1 ? `${Number((value * 100).toPrecision(2))}${thin}ct` : dollars(value);
}

/** `1 d 4 h`, `8 min`, `40 s`. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}${thin}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes}${thin}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 && hours < 6
    ? `${hours}${thin}h ${minutes % 60}${thin}min` : `${hours}${thin}h`;
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 4 ? `${days}${thin}d ${hours % 24}${thin}h` : `${days}${thin}d`;
}

const formats = new Map();
function format(options) {
  const key = JSON.stringify([options, settings.utc]);
  if (!formats.has(key)) {
    const zone = settings.utc ? { timeZone: "UTC" } : {};
    formats.set(key, new Intl.DateTimeFormat("en-GB", { ...options, ...zone }));
  }
  return formats.get(key);
}

const time = (at) => format({ hour: "2-digit", minute: "2-digit", hour12: false }).format(at);
const day = (at) => format({ day: "numeric", month: "short" }).format(at);
export const seconds = (at) =>
  format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(new Date(at));

/** `03:09` today, `Tue 14:20` this week, else `24 Nov 00:02`. */
export function moment(at, now = Date.now()) {
  const date = new Date(at);
  if (day(date) === day(new Date(now))) return time(date);
  const isNear = Math.abs(now - date) < 6 * 86_400_000;
  return `${isNear ? format({ weekday: "short" }).format(date) : day(date)} ${time(date)}`;
}

/** As short as can be: a time today, else a day. */
export function brief(at, now = Date.now()) {
  const date = new Date(at);
  if (day(date) === day(new Date(now))) return time(date);
  const isNear = Math.abs(now - date) < 6 * 86_400_000;
  return isNear ? format({ weekday: "short" }).format(date) : day(date);
}

/** The day that ends then. */
export const lastDay = (at) => day(new Date(Date.parse(at) - 1));

/** On an axis over so long a time. */
export function tick(at, range) {
  const date = new Date(at);
  if (range <= 26 * 3_600_000) return time(date);
  return range <= 8 * 86_400_000 && time(date) !== "00:00"
    ? `${format({ weekday: "short" }).format(date)} ${time(date)}` : day(date);
}

/** Who did it: a token's name, or what it did by itself. */
export function actor(text) {
  if (text === "monitor") return "by itself";
  if (text.startsWith("token:")) return text.slice(6);
  return text.startsWith("alert:") ? `alert ${text.slice(6)}` : text;
}

const deeds = {
  applied: "Changed the file", started: "Started", advanced: "Advanced",
  rolled_back: "Stepped back", paused: "Paused", resumed: "Resumed", held: "Held",
  released: "Released", acknowledged: "Acknowledged", approved: "Approved", killed: "Killed",
  approval: "Waits for approval", completed: "Completed", archived: "Archived", unarchived: "Brought back", restored: "Restored",
};

/** What happened, as a word. */
export function deed(event) {
  if (event.type === "rolled_back" && event.actor.startsWith("token:")) return "Rolled back";
  return deeds[event.type] ?? sentence(event.type.replaceAll("_", " "));
}

/** How much it matters: a class of the style sheet. */
export const weight = (type) => ({
  rolled_back: "r", killed: "r", held: "h", paused: "h", provider_down: "h", dry_run: "h",
  budget: "h", advanced: "a", started: "a", restored: "a", completed: "a", resumed: "a",
}[type] ?? "");

/** `error_rate: 22 % of …` as people say it: what is said of errors needs no name. */
export function reason(text) {
  return (text ?? "").replace(/\b([a-z]+_[a-z0-9_]+): /g, (whole, name) =>
    name === "error_rate" ? "" : metrics[name] ? `${metrics[name]}: ` : whole);
}

/** `5%`, `2d` with room between number and unit. */
export const spaced = (text) => text.replace(/(\d)(%|[a-z]+)/g, `$1${thin}$2`);

const holds = {
  rollback: ["held after a step back", "bad"], alert: ["held after an alert", "bad"],
  outage: ["held: outage", "warn"], investigate: ["held to be looked at", "warn"],
  no_traffic: ["held: no traffic", "warn"], manual: ["rolled back by hand", ""],
};

/** A plan's state as word, tone and shape. `verdict` is its health's. */
export function state(plan, verdict) {
  const resting = {
    draft: ["draft", "", "wait"], killed: ["killed", "", "off"],
    archived: ["archived", "", "off"], paused: ["paused", "warn", "rest"],
  }[plan.status];
  if (plan.degraded) return ["needs repair", "bad", "bad"];
  if (resting) return resting;
  if (plan.stage_index < 0 && (!plan.hold || plan.hold.cause === "manual")) return ["off", "", "off"];
  if (plan.hold) {
    const [word, tone] = holds[plan.hold.cause] ?? ["held", "warn"];
    if (plan.hold.acknowledged_by) return ["acknowledged", "warn", "wait"];
    return [word, tone, tone || "wait"];
  }
  if (verdict === "failing") return ["failing", "bad", "bad"];
  if (verdict === "pending") return ["going bad", "bad", "bad"];
  if (plan.status === "completed") return ["completed", "calm", "good"];
  if (verdict === "investigate") return ["worth a look", "warn", "warn"];
  if (plan.next?.ready && !plan.automatic) return ["waits for you", "warn", "warn"];
  const gates = plan.next?.waiting_on ?? [];
  if (gates.length && gates.every((gate) => gate.startsWith("approval"))) {
    return ["waits for approval", "warn", "warn"];
  }
  if (verdict === "unavailable") return ["nothing heard", "warn", "wait"];
  if (verdict === "healthy") return ["healthy", "calm", "good"];
  return ["gathering", "", "wait"];
}

const metrics = {
  error_rate: "Errors", degraded_rate: "Degraded", latency_mean: "Latency, mean",
  latency_p50: "Latency p50", latency_p95: "Latency p95", latency_p99: "Latency p99",
  cost_per_request: "Cost a request", tokens_per_request: "Tokens a request",
  thumbs_down_rate: "Thumbs down", regenerate_rate: "Asked again", abandon_rate: "Gave up",
  prometheus: "Prometheus",
};

export const metric = (name) => metrics[name] ?? name;

/** A guard's number in its own unit. */
export function amount(metric, value) {
  if (value == null) return "—";
  if (metric.startsWith("latency")) return milliseconds(value);
  if (metric === "cost_per_request") return cost(value);
  if (metric === "tokens_per_request") return count(value);
  return metric.endsWith("_rate") ? percent(value) : String(Number(value.toPrecision(4)));
}

/** A limit as the plan file writes it, as a number of the guard's unit; null where it is none. */
export function limitValue(metric, text) {
  const found = /^\$?([0-9.]+)\s*(%|ms|s|m|h|x)?$/.exec(text.trim());
  if (!found || found[2] === "x") return null;
  const value = Number(found[1]);
  if (metric.startsWith("latency")) {
    return value * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found[2]] ?? 1);
  }
  return found[2] === "%" ? value / 100 : value;
}

export const actionWord = (action) =>
  ({ rollback: "step back", pause: "pause", notify: "tell" }[action] ?? action);

/** A reason as a whole sentence. */
export function whole(text) {
  const trimmed = sentence(reason(text).trim());
  return !trimmed || /[.!?”]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** The first letter large. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const numbers = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
export const number = (value) => numbers[value] ?? count(value);
