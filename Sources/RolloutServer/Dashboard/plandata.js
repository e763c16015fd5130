// What a series says, put into the points that figures draw.

import { binSize, interval, ticks } from "./figures.js";
import { stageName } from "./page.js";
import * as words from "./words.js";

/** Results of which a person got no AI answer. */
const badResults = ["failed", "degraded_fallback"];

const zoneOffset = (at) => words.isUTC() ? 0 : -new Date(at).getTimezoneOffset() * 60_000;

/** The time that a figure shows: its ends, how long a point is, and when points have a gap. */
export function frameOf(series, { from, to, bin, most = 100, isLive = false, marks = [], edge = 6 } = {}) {
  const [start, end] = [from ?? Date.parse(series.from), to ?? Date.parse(series.to)];
  const size = bin ?? binSize(end - start, series.step_s * 1000, most);
  return { from: start, to: end, bin: size, gap: Math.max(size * 2.5, (end - start) / 15), isLive, marks, edge,
    offset: zoneOffset(start), tick: (at) => words.tick(at, end - start) };
}

const emptyArm = () => ({ requests: 0, bad: 0, users: 0, latency: [0, 0, 0], timed: 0, cost: null,
  tokens: null, votes: 0, down: 0, again: 0, gone: 0 });

/** Rows by time and arm, added up over `frame.bin`. */
export function binned(series, frame) {
  const place = Object.fromEntries(series.columns.map((name, index) => [name, index]));
  const bins = new Map();
  for (const row of series.rows) {
    const at = Math.floor(Date.parse(row[place.at]) / frame.bin) * frame.bin;
    if (at + frame.bin <= frame.from || at > frame.to) continue;
    if (!bins.has(at)) bins.set(at, { at: at + frame.bin / 2, start: at, arms: {} });
    const arm = bins.get(at).arms[row[place.arm]] ??= emptyArm();
    add(arm, row, place);
  }
  return [...bins.values()].sort((a, b) => a.at - b.at);
}

function add(arm, row, place) {
  const value = (name) => row[place[name]] ?? 0;
  arm.requests += value("requests");
  for (const name of badResults) arm.bad += value(name);
  arm.users = Math.max(arm.users, value("users"));
  if (row[place.p50_ms] != null) {
    const weight = value("requests") || 1;
    arm.timed += weight;
    for (const [index, name] of ["p50_ms", "p95_ms", "p99_ms"].entries()) {
      arm.latency[index] += weight * value(name);
    }
  }
  if (row[place.cost_usd] != null) arm.cost = (arm.cost ?? 0) + row[place.cost_usd];
  if (row[place.tokens] != null) arm.tokens = (arm.tokens ?? 0) + row[place.tokens];
  arm.votes += value("thumbs_up") + value("thumbs_down");
  arm.down += value("thumbs_down");
  arm.again += value("regenerate");
  arm.gone += value("abandon");
}

/** The share of bad requests of an arm as a point with its interval; null where there were none. */
export function rate(bin, name) {
  const arm = bin.arms[name];
  if (!arm?.requests) return { at: bin.at, value: null };
  return { at: bin.at, value: arm.bad / arm.requests, ...interval(arm.bad, arm.requests) };
}

/** Requests that a point of the error rate is about, where the time around it has so many. */
const pointMin = 50;

/**
 * The error rate of an arm, as points. Where few ask, neighbours are one point: an interval from
 * nothing to forty percent would say nothing. A point without value is a gap.
 */
export function rates(bins, name, frame) {
  const points = [];
  const widest = (frame.to - frame.from) / 12;
  let open = null;
  const close = () => {
    if (!open) return;
    points.push({ at: (open.from + open.to) / 2, value: open.bad / open.all,
      ...interval(open.bad, open.all) });
    open = null;
  };
  let last = null;
  for (const bin of bins) {
    const arm = bin.arms[name];
    if (!arm?.requests) continue;
    if (last != null && bin.start - last > frame.gap) {
      close();
      points.push({ at: (bin.start + last) / 2, value: null });
    }
    last = bin.start + frame.bin;
    if (open && (open.all >= pointMin || bin.start - open.from >= widest)) close();
    open ??= { from: Math.max(bin.start, frame.from), bad: 0, all: 0 };
    open.to = Math.min(last, frame.to);
    open.bad += arm.bad;
    open.all += arm.requests;
  }
  close();
  return points;
}

const point = (bin, value) => ({ at: bin.at, value: value ?? null });

export const latency = (bin, index, name = "treatment") => {
  const arm = bin.arms[name];
  return point(bin, arm?.timed ? arm.latency[index] / arm.timed : null);
};

export const costEach = (bin) => {
  const arm = bin.arms.treatment;
  return point(bin, arm?.requests && arm.cost != null ? arm.cost / arm.requests : null);
};

export const tokensEach = (bin) => {
  const arm = bin.arms.treatment;
  return point(bin, arm?.requests && arm.tokens != null ? arm.tokens / arm.requests : null);
};

/** Votes are few: of this point and its neighbours together, and only where there are some. */
export function thumbsDown(bins, name) {
  return bins.map((bin, index) => {
    const near = bins.slice(Math.max(0, index - 4), index + 5).map((one) => one.arms[name]);
    const sum = (part) => near.reduce((all, arm) => all + (arm?.[part] ?? 0), 0);
    return point(bin, sum("votes") >= 5 ? sum("down") / sum("votes") : null);
  });
}

/** The largest share to show: what was, and the limit with some room, in round numbers. */
export function shareTop(points, limit) {
  const most = Math.max(0, ...points.map(({ value }) => value ?? 0));
  const wanted = Math.min(1, Math.max(most * 1.1, (limit ?? 0.02) * 1.3, 0.01));
  const step = ticks(wanted)[0];
  return Math.min(1, Math.ceil(wanted / step - 1e-9) * step);
}

/** The plan's changes on the time axis: where it moved, and who did it. */
export function marksOf(series, plan) {
  const moves = { started: "", advanced: "", restored: "back up to ", rolled_back: "back to ",
    killed: "killed", resumed: "resumed" };
  return series.marks.filter((mark) => mark.type in moves).map((mark) => {
    const name = stageName(mark.stage, plan);
    const word = ["killed", "resumed"].includes(mark.type) ? moves[mark.type]
      : moves[mark.type] + name;
    const isRed = mark.type === "killed" ||
      (mark.type === "rolled_back" && !mark.actor.startsWith("token:"));
    return { at: Date.parse(mark.at), word, isRed,
      detail: `${words.moment(mark.at)}, ${words.actor(mark.actor)}` };
  });
}

/** Which share had it when, from what changed the plan; `events` newest first. */
export function shareSteps(events, plan, frame) {
  const percentOf = (name) => {
    const index = plan.stages.findIndex((stage) => stage.name === name);
    const open = plan.stages.slice(0, index + 1).filter((stage) => stage.percent != null);
    return (open.at(-1)?.percent ?? 0) / 100;
  };
  const serves = (place) => ["active", "paused", "completed"].includes(place.status);
  const steps = [];
  for (const event of [...events].reverse()) {
    const value = serves(event.to) ? percentOf(event.to.stage) : 0;
    if (steps.at(-1)?.value !== value) steps.push({ at: Date.parse(event.at), value });
  }
  const before = steps.filter((step) => step.at <= frame.from).at(-1);
  const inside = steps.filter((step) => step.at > frame.from && step.at <= frame.to);
  // Of what lies before the oldest event that was asked for nothing is known but its start.
  return [...(before ? [{ at: frame.from, value: before.value }] : []), ...inside];
}

/** Everything of an arm over the whole time. */
export function totals(bins, name) {
  const sum = emptyArm();
  for (const bin of bins) {
    const arm = bin.arms[name];
    if (!arm) continue;
    for (const part of ["requests", "bad", "timed", "votes", "down", "again", "gone"]) {
      sum[part] += arm[part];
    }
    sum.users = Math.max(sum.users, arm.users);
    arm.latency.forEach((value, index) => { sum.latency[index] += value; });
    if (arm.cost != null) sum.cost = (sum.cost ?? 0) + arm.cost;
    if (arm.tokens != null) sum.tokens = (sum.tokens ?? 0) + arm.tokens;
  }
  return sum;
}

/** Takes in rows that are newer than what is known: the last steps are sent again, whole. */
export function merge(series, delta) {
  const at = series.columns.indexOf("at");
  const first = Date.parse(delta.from);
  const rows = series.rows.filter((row) => Date.parse(row[at]) < first);
  const known = series.marks.filter((mark) =>
    !delta.marks.some((other) => other.version === mark.version));
  return { ...series, to: delta.to, rows: [...rows, ...delta.rows],
    marks: [...known, ...delta.marks] };
}
