// Every figure of the dashboard: scales, paths, bands, marks, cursors, and the table under them.
// Outer drawings have no viewBox, so text keeps its size; paths lie in an inner one that stretches.

import { h, s } from "./page.js";

/** The inner drawing: 0–1000 by 0–100, whatever its size on the screen. */
const width = 1000;
const height = 100;

const round = (value) => Number(value.toFixed(2));

/** From a domain to a range, both two numbers. */
export const scale = ([from, to], [low, high]) => (value) =>
  low + (to === from ? 0 : (value - from) / (to - from)) * (high - low);

/**
 * `M0 10L5 12`, anew after every gap: a point without a value, or more than `gap` after the last. A
 * point alone is a dot: round ends draw a line of no length.
 */
export function linePath(points, x, y, gap = Infinity) {
  return runs(points, gap).map((run) => {
    const places = run.map(({ at, value }) => `${round(x(at))} ${round(y(value))}`);
    return `M${(places.length === 1 ? [...places, ...places] : places).join("L")}`;
  }).join("");
}

/** Runs of points without a gap between them. */
export function runs(points, gap = Infinity) {
  const all = [];
  let run = [];
  for (const point of points) {
    const isBroken = point.value == null || (run.length && point.at - run.at(-1).at > gap);
    if (isBroken && run.length) {
      all.push(run);
      run = [];
    }
    if (point.value != null) run.push(point);
  }
  return run.length ? [...all, run] : all;
}

/** The area between `high` and `low` of the points. */
export function bandPath(points, x, y, gap = Infinity) {
  return runs(points, gap).map((run) => {
    const over = run.map((point) => `${round(x(point.at))} ${round(y(point.high))}`);
    const under = run.map((point) => `${round(x(point.at))} ${round(y(point.low))}`).reverse();
    return `M${[...over, ...under].join("L")}Z`;
  }).join("");
}

/** A share that stays until it changes, up to `end`: its line, and the area under it. */
export function stepPaths(steps, end, x, y) {
  let line = "";
  let area = "";
  for (const [index, { at, value }] of steps.entries()) {
    const until = steps[index + 1]?.at ?? end;
    const [left, right, top] = [round(x(at)), round(x(until)), round(y(value))];
    line += `${line ? "L" : "M"}${left} ${top}L${right} ${top}`;
    area += `M${left} ${round(y(0))}L${left} ${top}L${right} ${top}L${right} ${round(y(0))}Z`;
  }
  return { line, area };
}

/** Spans of time without any point, each longer than `least`: [from, to]. */
export function gaps(points, from, to, step, least = 2 * step) {
  const found = [];
  let known = from;
  for (const { at, value } of points) {
    if (value == null) continue;
    if (at - known > least) found.push([known, at]);
    known = at + step;
  }
  if (to - known > least) found.push([known, to]);
  return found;
}

/** The 95 % Wilson interval of a share. */
export function interval(bad, all) {
  if (!all) return { low: 0, high: 1 };
  const [p, z] = [bad / all, 1.96];
  const centre = (p + (z * z) / (2 * all)) / (1 + (z * z) / all);
  const half = (z / (1 + (z * z) / all)) *
    Math.sqrt((p * (1 - p)) / all + (z * z) / (4 * all * all));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** Two to four round numbers up to `max`. */
export function ticks(max) {
  const unit = 10 ** Math.floor(Math.log10(max));
  const step = [0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5].map((part) => part * unit)
    .find((size) => max / size <= 4);
  const all = [];
  for (let value = step; value <= max * 1.0001; value += step) {
    all.push(Number(value.toPrecision(6)));
  }
  return all;
}

const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 43_200]
  .map((minutes) => minutes * 60_000);

/** Round times of day, six or fewer; `offset` is the zone's, in milliseconds. */
export function timeTicks(from, to, offset = 0) {
  const step = timeSteps.find((size) => (to - from) / size <= 6) ?? timeSteps.at(-1);
  const all = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) {
    all.push(at);
  }
  return all;
}

const binSizes = [10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600, 86_400]
  .map((seconds) => seconds * 1000);

/** How long a point's time is, so that at most `most` of them fit; never finer than `step`. */
export const binSize = (range, step, most = 100) =>
  binSizes.find((size) => size >= step && range / size <= most) ?? binSizes.at(-1);

const percentOf = (value) => `${round(value)}%`;

// MARK: Parts

const stretched = (...paths) => s("svg", { viewBox: `0 0 ${width} ${height}`,
  preserveAspectRatio: "none", width: "100%", height: "100%", class: "plot" }, ...paths);

const across = (name, at) =>
  s("line", { class: name, x1: 0, x2: "100%", y1: percentOf(at), y2: percentOf(at) });

const label = (name, at, text) =>
  s("text", { class: name, x: "100%", dx: 8, y: percentOf(at), dy: 4 }, text);

/** Nothing is known of this time; hatched, so that it is not taken for zero. */
function hatched(spans, x) {
  return spans.map(([from, to]) => {
    const [left, right] = [x(from) / 10, x(to) / 10];
    return s("g", {},
      s("rect", { class: "gap", x: percentOf(left), width: percentOf(Math.max(0, right - left)),
        y: 0, height: "100%" }),
      right - left > 14 && s("text", { class: "hide-phone", x: percentOf((left + right) / 2),
        y: "50%", dy: 4, "text-anchor": "middle" }, "no data"));
  });
}

const hatch = () => s("defs", {}, s("pattern", { id: "hatch", width: 6, height: 6,
  patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
  s("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 6 })));

/** Labels that would lie upon each other move apart; each keeps its order. */
export function apart(labels, least) {
  const sorted = [...labels].sort((a, b) => a.at - b.at);
  for (let index = 1; index < sorted.length; index += 1) {
    sorted[index].at = Math.max(sorted[index].at, sorted[index - 1].at + least);
  }
  const over = sorted.length ? Math.max(0, sorted.at(-1).at - 100) : 0;
  if (over) for (const one of sorted) one.at -= over;
  return sorted;
}

/** Thin lines where the plan changed; `words` are two lines of text where there is room. */
function markLines(marks, x, { words = false } = {}) {
  // What nobody asked for is named first, then what happened last.
  const named = [];
  const byWeight = [...marks].sort((a, b) => Number(b.isRed) - Number(a.isRed) || b.at - a.at);
  for (const mark of words ? byWeight : []) {
    if (named.every((other) => Math.abs(x(other.at) - x(mark.at)) > 170)) named.push(mark);
  }
  return marks.map((mark) => {
    const at = x(mark.at) / 10;
    const isRight = at < 60;
    const hasRoom = named.includes(mark);
    const place = { x: percentOf(at), dx: isRight ? 7 : -7,
      "text-anchor": isRight ? "start" : "end" };
    return s("g", {},
      s("line", { class: `mark${mark.isRed ? " r" : ""}`, x1: percentOf(at), x2: percentOf(at),
        y1: 0, y2: "100%" }, s("title", {}, `${mark.word}, ${mark.detail}`)),
      hasRoom && s("text", { ...place, y: 11, class: mark.isRed ? "t-red" : "strong" }, mark.word),
      hasRoom && s("text", { ...place, y: 27, class: "p2" }, mark.detail));
  });
}

const timeLabels = (frame, x) => {
  const all = timeTicks(frame.from, frame.to, frame.offset);
  return all.map((at, index) => {
    const place = x(at) / 10;
    // The ends have labels of their own.
    if (place < frame.edge || place > 100 - frame.edge) return null;
    return s("text", { x: percentOf(place), y: "100%", dy: 18, "text-anchor": "middle",
      class: index % 2 || place < 15 || place > 85 ? "hide-phone" : null }, frame.tick(at));
  });
};

const ends = (frame) => [
  s("text", { x: 0, y: "100%", dy: 18 }, frame.tick(frame.from)),
  s("text", { x: "100%", y: "100%", dy: 18, "text-anchor": "end", class: "strong" },
    frame.isLive ? "now" : frame.tick(frame.to)),
];

// MARK: Figures

/**
 * Lines over time with a band, limits and marks. `lines`: {name, points, gap, end}; `limits`:
 * {name, value, text}. `top` is the largest value shown.
 */
export function timeFigure(frame, spec) {
  const x = scale([frame.from, frame.to], [0, width]);
  const y = scale([0, spec.top], [height, 0]);
  const names = spec.ticks ?? [];
  const inView = (spec.limits ?? []).filter((limit) => limit.value <= spec.top);
  const texts = apart([
    ...names.filter((value) => inView.every((one) => Math.abs(y(one.value) - y(value)) > 9))
      .map((value) => ({ at: y(value), text: spec.format(value), name: "" })),
    ...inView.filter((limit) => limit.text)
      .map((limit) => ({ at: y(limit.value), text: limit.text, name: limit.textName ?? "t-red" })),
    ...spec.lines.filter((line) => line.end != null)
      .map((line) => ({ at: y(line.end), text: line.text, name: line.textName ?? "t-feat" })),
  ], spec.least ?? 7);
  return s("svg", { class: "chart y", height: spec.height, role: "img",
    "aria-label": spec.sentence },
    hatch(),
    s("svg", { class: "plot", y: spec.pad ?? 8, height: spec.height - (spec.below ?? 16) },
      names.map((value) => across("g", y(value))),
      across("axis", height),
      hatched(spec.gaps ?? [], x),
      inView.map((limit) => across(limit.name, y(limit.value))),
      markLines(frame.marks, x, { words: spec.words }),
      stretched(
        spec.band && s("path", { class: "band",
          d: bandPath(spec.band.map((one) => ({ ...one, low: Math.min(one.low, spec.top),
            high: Math.min(one.high, spec.top) })), x, y, spec.gap ?? frame.gap) }),
        spec.lines.map((line) => s("path", { class: line.name,
          d: linePath(line.points, x, y, spec.gap ?? frame.gap) }))),
      texts.map((one) => label(one.name, one.at, one.text)),
      spec.times && [timeLabels(frame, x), ends(frame)],
      spec.more?.(x, y)));
}

/** A share that changes at times: who had it. */
export function stepFigure(frame, steps, { text, sentence }) {
  const x = scale([frame.from, frame.to], [0, width]);
  const y = scale([0, 1.08], [height, 0]);
  const { line, area } = stepPaths(steps, frame.to, x, y);
  const last = steps.at(-1);
  return s("svg", { class: "chart y", height: 58, role: "img", "aria-label": sentence },
    s("svg", { class: "plot", y: 4, height: 44 },
      stretched(s("path", { class: "band", d: area }), s("path", { class: "l-feat", d: line })),
      across("axis", height),
      last && label("t-feat", y(last.value), text)));
}

/** How many in each span of time, the bad ones red at the bottom. */
export function barFigure(frame, bars, { sentence, format }) {
  const x = scale([frame.from, frame.to], [0, width]);
  const most = Math.max(1, ...bars.map((bar) => bar.all));
  const size = (value) => round((value / most) * 92);
  const broad = round(Math.max(1, ((frame.bin / (frame.to - frame.from)) * width) * 0.82));
  return s("svg", { class: "chart y", height: 82, role: "img", "aria-label": sentence },
    s("svg", { class: "plot", y: 2, height: 56 },
      stretched(bars.map((bar) => [
        s("rect", { class: "bar", x: round(Math.max(0, x(bar.at))), width: broad,
          y: round(height - size(bar.all)), height: size(bar.all) }),
        bar.bad > 0 && s("rect", { class: "bar b", x: round(Math.max(0, x(bar.at))), width: broad,
          y: round(height - Math.max(1.2, size(bar.bad))), height: Math.max(1.2, size(bar.bad)) }),
      ])),
      across("axis", height),
      bars.length > 0 && s("text", { x: "100%", dx: 8, y: "8%", dy: 6 }, format(most)),
      timeLabels(frame, x), ends(frame)));
}

/** A day in little: the line against its limit, what lay above it red. */
export function sparkline(rates, limit) {
  const top = Math.max((limit ?? 0.05) * 1.5, 0.001);
  const x = scale([0, Math.max(1, rates.length - 1)], [0, width]);
  const y = scale([0, top], [height, 2]);
  const points = rates.map((value, at) => ({ at, value: value == null ? null : Math.min(value, top) }));
  const broad = round(width / Math.max(1, rates.length - 1));
  return s("svg", { class: "chart", height: 30, "aria-hidden": "true" },
    s("svg", { class: "plot", y: 2, height: 26 },
      limit != null && across("limit", y(limit)),
      stretched(
        points.map(({ at, value }) => limit != null && value > limit && s("rect", {
          class: "bar b hotbar", x: round(x(at) - broad / 2), width: broad, y: 0,
          height: round(y(limit)) })),
        s("path", { class: "l-feat", d: linePath(points, x, y) }))));
}

/** A guard's measure as a dot with its interval, from nothing to one and a half limits. */
export function guardFigure({ value, low, high, control, limit }) {
  const place = (number) =>
    percentOf(Math.min(100, Math.max(0, (number / (limit * 1.5)) * 100)));
  return s("svg", { class: "chart", height: 26, "aria-hidden": "true" },
    s("svg", { class: "plot" },
      s("line", { class: "axis", x1: 0, x2: "100%", y1: 13, y2: 13 }),
      value != null && low != null && s("line", { class: "reach", x1: place(low),
        x2: place(high ?? value), y1: 13, y2: 13 }),
      control != null && s("line", { class: "without", x1: place(control), x2: place(control),
        y1: 6, y2: 20 }),
      value != null && s("circle", { class: "now", cx: place(value), cy: 13, r: 4.5 }),
      s("line", { class: "wall", x1: percentOf(100 / 1.5), x2: percentOf(100 / 1.5),
        y1: 4, y2: 22 })));
}

/** The line under the pointer, and what lies there, for who points and for who listens. */
export const cursorLine = (at, frame) => {
  const x = scale([frame.from, frame.to], [0, 100])(at);
  return s("line", { class: "cursor", x1: percentOf(x), x2: percentOf(x), y1: 0, y2: "100%" });
};

/** The same as a table, for who cannot see it or wants the numbers. */
export const figureTable = (caption, columns, rows) =>
  h("details", { class: "same" }, h("summary", {}, "The same as a table"),
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": caption },
      h("table", { class: "tbl" }, h("caption", { class: "sr" }, caption),
        h("thead", {}, h("tr", {}, columns.map((name, index) =>
          h("th", { scope: "col", class: index ? "r" : null }, name)))),
        h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, index) =>
          index ? h("td", { class: "r num" }, cell) : h("th", { scope: "row" }, cell))))))));
