/* global uPlot */
// The charts of the last hour. The process keeps one point every ten seconds; each report brings the
// latest one.

import { count, minute, rate, span, sum } from "./text.js";
import { throttles } from "./throttles.js";

// hour has the series of the last hour by name: see history.go. before has the same around this time
// yesterday, in minutes, and source where both come from.
export const hour = { end: 0, step: 10, values: {}, before: { end: 0, step: 60, values: {} }, source: "" };
const day = 86_400; // seconds
const points = 360, fewest = 30; // of an hour, and of the shortest axis

// groups joins outcomes of requests, in fixed colours.
const served = ["hit"];
const rendered = ["rendered", "shared", "nearest", "original"];
const faults = ["no-renderer", "lost", "overran", "worker-killed", "original-store", "thumbnail-store", "unavailable", "deadline", "internal"];
// refused has the outcomes of throttles, other than faults of the cluster.
const refused = () => ["blocked", ...new Set(throttles.map((t) => t.outcome).filter((o) => !faults.includes(o)))];

const totals = (names) => names.map((name) => hour.values[name] ?? []);
const outcomes = (list) => () => totals(list.map((o) => "request " + o));
const others = () => {
  const grouped = [...served, ...rendered, ...refused(), ...faults];
  return totals(Object.keys(hour.values).filter((n) => n.startsWith("request ") && !grouped.includes(n.slice(8))));
};
const one = (name) => () => totals([name]);
const most = (numbers) => Math.max(...numbers);
const palette = ["orange", "violet", "blue", "red", "green", "grey"];
const refusals = () => throttles.map((t, i) => [t.name, palette[i % palette.length], one("refuse " + t.name)]);

const none = -1; // a percentile of no requests

const mean = (v) => Number.isInteger(v) ? count(v) : rate(v);

// Each chart has lines {name, colour, series}, and a line of yesterday: the series whose names begin so, added
// up or joined by a function.
const charts = [
  { id: "requests", title: "Requests per second", write: rate, href: "#/edges", before: ["request "], lines: () => [
    ["stored", "blue", outcomes(served)], ["rendered", "green", outcomes(rendered)], ["refused", "orange", outcomes(refused())],
    ["faults", "red", outcomes(faults)], ["other", "grey", others]] },
  { id: "hits", title: "Time of stored thumbnails", write: span, log: true, href: "#/edges", before: ["p95 hit"], of: "p95 ", lines: () => [["p50", "blue", one("p50 hit")], ["p95", "orange", one("p95 hit")]] },
  { id: "renders", title: "Time of renders", write: span, log: true, href: "#/renderers", before: ["p95 rendered"], of: "p95 ", lines: () => [["p50", "blue", one("p50 rendered")], ["p95", "orange", one("p95 rendered")]] },
  { id: "refusals", title: "Refusals per second", write: rate, href: "#/throttles", before: ["refuse "], lines: refusals },
  { id: "depth", title: "Jobs in lanes", write: count, href: "#/lanes", before: ["depth "], lines: () => [["standard", "blue", one("depth standard")], ["expensive", "orange", one("depth expensive")], ["bulk", "grey", one("depth bulk")]] },
  { id: "age", title: "Oldest job of lanes", write: span, href: "#/lanes", before: ["age "], join: most, lines: () => [["standard", "blue", one("age standard")], ["expensive", "orange", one("age expensive")], ["bulk", "grey", one("age bulk")]] },
  { id: "renderers", title: "Renderers", write: count, href: "#/renderers", step: true, before: ["wanted"], of: "wanted ", lines: () => [["live", "blue", one("live")], ["wanted", "orange", one("wanted")]] },
  { id: "slots", title: "Slots of renderers", write: mean, href: "#/renderers", before: ["busy"], of: "busy ", lines: () => [["busy", "orange", one("busy")], ["all", "blue", one("slots")]] },
];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// values adds up series to the points of the last hour; null where nothing was measured.
function values(series) {
  const all = series().filter((s) => s.length);
  if (!all.length) return Array(points).fill(null);
  const length = Math.max(...all.map((s) => s.length));
  const past = Array(points - length).fill(null);
  return [...past, ...Array.from({ length }, (_, i) => {
    const at = all.map((s) => s[s.length - length + i]).filter((v) => v !== undefined && v !== none);
    return at.length ? sum(at) : null;
  })];
}

// yesterday has the points of the last hour a day earlier; null where nobody knows.
function yesterday({ before, join = sum }) {
  const { end, step, values: all } = hour.before;
  const series = Object.keys(all).filter((name) => before.some((start) => name.startsWith(start))).map((name) => all[name]);
  return times().map((time) => {
    const at = series.map((s) => s[s.length - 1 + Math.round((time - day - end) / step)]).filter((v) => v !== undefined && v !== none);
    return at.length ? join(at) : null;
  });
}

// shown is the number of points on the screen: those of a young process do not fill an hour.
const shown = () => Math.max(fewest, ...Object.values(hour.values).map((v) => v.length));

const times = () => Array.from({ length: points }, (_, i) => hour.end - (points - 1 - i) * hour.step);

// axis is the grid and the words of one side.
const axis = (more) => ({ stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif", ...more });

// top leaves room above the highest value, and shows 0 to 1 at least.
const top = (_, low, high) => [0, Math.max(1, (high ?? 0) * 1.1)];
const decades = (_, low, high) => [10 ** Math.floor(Math.log10(Math.max(low ?? 1, 0.1))), 10 ** Math.ceil(Math.log10(Math.max(high ?? 10, 1) * 1.01))];

const tens = (_, __, low, high) => Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, i) => Number((low * 10 ** i).toPrecision(6)));
const wholes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

function options(chart, box) {
  const small = box.clientWidth < 240;
  return {
    width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [6, 8, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "hour" } },
    scales: {
      x: { time: true, range: () => [hour.end - (shown() - 1) * hour.step, hour.end] },
      y: chart.log ? { distr: 3, range: decades } : { range: top },
    },
    axes: [
      axis({ size: 18, gap: 2, space: small ? 60 : 70, values: (_, ticks) => ticks.map((t) => minute(new Date(t * 1000))) }),
      axis({ size: small ? 42 : 48, gap: 3, space: 24, ...(chart.log ? { splits: tens } : {}), ...(chart.write === count ? { incrs: wholes } : {}),
        values: (_, ticks) => ticks.map((v) => v === null ? "" : chart.write(v)) }),
    ],
    series: [{}, ...chart.lines.map(([label, name]) => ({ label, stroke: colour(name), width: 1.75, points: { show: false }, ...(chart.step ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}) })),
      { label: "a day ago", stroke: colour("soft"), width: 1, dash: [3, 3], points: { show: false } }],
    hooks: { setCursor: [(u) => legend(chart, u.cursor.idx)] },
  };
}

// legend writes the values under the pointer, or the latest ones. Lines without values stay away.
function legend(chart, at = null) {
  const i = at ?? points - 1;
  const parts = chart.lines.map(([label, name], n) => ({ label, name, value: chart.data[n + 1][i], ever: chart.data[n + 1].some((v) => v) }))
    .filter((p, n) => p.ever || n === 0 || chart.lines.length < 3);
  const past = chart.data.at(-1)[i];
  if (past !== null) parts.push({ label: `${chart.of ?? ""}a day ago`, name: "soft", value: past, write: chart.write === count ? rate : chart.write }); // a mean is no whole number
  const shape = JSON.stringify([at, parts]);
  if (chart.legend.dataset.shape === shape) return;
  chart.legend.dataset.shape = shape;
  chart.legend.replaceChildren(...(at === null ? [] : [`${minute(new Date(chart.data[0][i] * 1000))} `]), ...parts.map((p) => {
    const item = document.createElement("span");
    item.className = "key " + p.name;
    item.textContent = `${p.label} ${p.value === null ? "–" : (p.write ?? chart.write)(p.value)}`;
    return item;
  }));
  if (at === null) chart.plot.setAttribute("aria-label", `${chart.title} in the last hour; now ${parts.map((p) => `${p.label} ${p.value === null ? "unknown" : (p.write ?? chart.write)(p.value)}`).join(", ")}`);
}

function build(chart) {
  const figure = document.createElement("figure");
  figure.id = "chart-" + chart.id;
  chart.lines = chart.lines();
  figure.innerHTML = `<figcaption><a></a><p class="legend"></p></figcaption><div class="plot" role="img"></div>`;
  const link = figure.querySelector("a");
  link.textContent = chart.title;
  link.href = chart.href;
  chart.legend = figure.querySelector(".legend");
  chart.plot = figure.querySelector(".plot");
  document.getElementById("charts").append(figure);
}

// drawCharts draws all charts that are on the screen.
export function drawCharts() {
  if (!hour.end || !throttles.length) return;
  for (const chart of charts) {
    if (!chart.plot) build(chart);
    chart.data = [times(), ...chart.lines.map(([, , series]) => values(series)), yesterday(chart)];
    if (!chart.plot.clientWidth) continue;
    if (chart.drawn) chart.drawn.setData(chart.data);
    else chart.drawn = new uPlot(options(chart, chart.plot), chart.data, chart.plot);
    legend(chart, chart.drawn.cursor.idx);
  }
}

// redraw makes the charts again, for another size or other colours.
export function redraw() {
  for (const chart of charts) {
    chart.drawn?.destroy();
    chart.drawn = undefined;
  }
  drawCharts();
}

// load reads the last hour; once it is there, note adds points.
export async function load() {
  const answer = await fetch("api/v1/throttles/history").catch(() => null);
  if (!answer?.ok) return;
  const told = await answer.json();
  Object.assign(hour, { end: Date.parse(told.end) / 1000, step: told.step || 10, values: told.values, before: { ...told.day_before, end: Date.parse(told.day_before.end) / 1000 }, source: told.source });
  if (hour.end <= 0) hour.end = 0;
}

// note takes the latest point of a report, and reports whether it is new.
export function note({ end, values }) {
  const at = Date.parse(end) / 1000;
  if (!(at > hour.end + hour.step / 2)) return false;
  if (hour.end && at > hour.end + 3 * hour.step) { load().then(drawCharts); return false; }
  const length = Math.max(0, ...Object.values(hour.values).map((v) => v.length));
  for (const [name, value] of Object.entries(values)) {
    const series = hour.values[name] ??= Array(length).fill(/^p\d/.test(name) ? none : 0);
    series.push(value);
    if (series.length > points) series.shift();
  }
  hour.end = at;
  return true;
}
