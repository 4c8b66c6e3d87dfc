// attention sums up a report in sentences for an operator, the most urgent first.

import { since } from "./charts.js";
import { give } from "./actions.js";
import { clock, count, isNetwork, many, network, percent, plain, rate, some, span, sum } from "./text.js";
import { meaning, ofRule } from "./throttles.js";

// The severities, in order, with the word that people read beside the colour.
const severities = { critical: "Critical", warning: "Warning", note: "Note" };

// A client stands out when it has so much of all refusals or of the renderers' time.
const outstanding = (c) => c.refused_per_second >= 0.5 && c.refused_share >= 0.3 || c.work_share >= 0.5 && c.asked_per_second >= 2;

// behind reports whether a lane has old jobs, or refuses requests while all its places are taken.
const behind = (t, l) => l.age_ms > 2000 || (t.refusals_per_second.lane ?? 0) > 0 && l.waiting > 0 && l.running >= l.limit;

// severe is the share of requests from which a lack of renderers is critical.
const severe = 0.05;

export const live = (t) => t.renderers.filter((r) => !r.draining).length;
const breakers = (e) => Object.entries(e.status?.breakers ?? {}).filter(([, state]) => state !== "closed");

// refusals is the number of refusals per second now that a client has of all: the report's share is a
// mean over a minute, the rates are of ten seconds.
const refusals = (t, c) => c.refused_share * sum(Object.values(t.refusals_per_second));

// share says what one client takes.
export function share(t, c) {
  const by = Object.entries(c.refused_by ?? {}).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const refused = c.refused_per_second >= 0.05 ? `has ${percent(c.refused_share)} of all refusals (${rate(refusals(t, c))}/s, by ${some(by)})` : "";
  const works = c.work_share >= 0.01 ? `takes ${percent(c.work_share)} of the renderers’ time` : "";
  return [refused, works].filter(Boolean).join(" and ") || `asks for ${rate(c.asked_per_second)} renders/s`;
}

const offer = (text, kind, target, more) => ({ text, label: `${text} ${target}`, act: () => give(kind, target, more) });

// forClient offers the actions against a client, or for it.
export function forClient(t, c) {
  const name = plain(c.name);
  if (!isNetwork(name)) return [];
  const to = { now: `It asks for ${rate(c.asked_per_second)} renders/s now, and ${rate(refusals(t, c))}/s are refused.`, why: `it ${share(t, c)}` };
  const rule = t.rules.find((r) => r.name === "per-ip");
  return [
    offer("Block", "block", network(name), to),
    ...(rule ? [{ text: "Limit", label: `Limit per-ip because of ${name}`, act: () => give("limit", "per-ip", { now: `It changes the limit of every client, ${name} too.`, why: `${name} ${share(t, c)}`, rule }) }] : []),
    offer("Exempt", "exempt", network(name), { ...to, why: "" }),
  ];
}

export function forFailing(f) {
  return [offer("Try again", "clear", f.original, { now: `It failed ${many(f.failures, "time")}${f.again ? `, and edges refuse it until ${clock(f.again)}` : ""}.`, why: "it was uploaded anew" })];
}

const clientHref = (name) => "#/clients/" + encodeURIComponent(name);

function ofClients(t, say) {
  const blocked = new Set(t.directives.filter((d) => d.kind === "block").map((d) => d.target.replace(/\/(32|64)$/, "")));
  for (const c of t.clients.filter(outstanding).slice(0, 3)) {
    const name = plain(c.name);
    if (blocked.has(network(name).replace(/\/64$/, ""))) continue;
    say("warning", `${name} ${share(t, c)}.`, { who: name, since: Date.parse(c.since), href: clientHref(name), actions: forClient(t, c) });
  }
}

// ofThrottles tells of refusals that no outstanding client explains.
function ofThrottles(t, say) {
  const alone = t.clients.filter(outstanding);
  const requests = sum(Object.values(t.requests_per_second));
  const by = (clients, throttle) => sum(clients.map((c) => c.refused_by?.[throttle] ?? 0));
  for (const [throttle, n] of Object.entries(t.refusals_per_second)) {
    const explained = by(alone, throttle) / (by(t.clients, throttle) || 1);
    if (n <= 0 || throttle === "failure" || explained > 0.7) continue;
    const list = (throttle === "per-original" ? t.busiest.refused_originals : t.busiest.refused_clients).filter((b) => ofRule(b.by)[0] === throttle);
    const paused = t.lanes.filter((l) => l.paused).map((l) => l.name);
    const why = throttle === "lane" && paused.length ? `Operators paused ${some(paused)}.` : meaning(throttle).replace(/\. .*/, "."); // its first sentence
    const most = list.length ? `, most of all ${plain(list[0].name)}` : "";
    say((throttle === "local" || throttle === "lane" && !paused.length && !alone.length && n > severe * requests) ? "critical" : "warning", `${throttle} refuses ${rate(n)} requests/s${most}. ${why}`,
      { since: since("refuse " + throttle, (v) => v > 0), href: "#/throttles" });
  }
}

function ofLanes(t, say) {
  const explained = t.clients.some((c) => outstanding(c) && c.work_share >= 0.5); // a client's flood, and no lack of renderers
  for (const l of t.lanes) {
    if (l.paused) {
      const d = t.directives.find((d) => d.kind === "pause" && d.target === l.name);
      say("warning", `The lane ${l.name} is paused${d ? ` by ${d.who}: ${d.why}` : ""}.`, { since: d && Date.parse(d.began), href: "#/actions" });
    }
    const signs = [];
    if (l.waiting) signs.push(`${many(l.waiting, "request")} in line for ${many(l.limit, "place")}`);
    if (l.age_ms > 2000) signs.push(`its oldest job is ${span(l.age_ms)} old`);
    if (behind(t, l)) say(explained ? "note" : "warning", `The lane ${l.name} is behind: ${signs.join(", ")}.`, { since: since("age " + l.name, (v) => v > 2000), href: "#/lanes" });
  }
}

function ofRenderers(t, say) {
  const n = live(t);
  if (t.edges.some((e) => e.connected) && !n) say("critical", "No renderer takes jobs: nothing new is rendered. Start one.", { since: since("live", (v) => v === 0), href: "#/renderers" });
  if (n && t.renderers_wanted > n) say("warning", `${many(n, "renderer")} of ${t.renderers_wanted}: the demand needs more. Add ${t.renderers_wanted - n}.`, { since: since("wanted", (v) => v > n), href: "#/renderers" });
  for (const r of t.renderers) if (r.draining) say("note", `${r.renderer} drains${r.ordered ? ": an operator told it to" : ""}.`, { href: "#/renderers" });
}

function ofFailing(t, say) {
  if (!t.failing.length) return;
  const [f] = t.failing;
  const name = (x) => `${x.original} (${x.fault})`;
  const when = f.again ? `Refused until ${clock(f.again)}.` : f.limit ? `${f.failures} of ${f.limit} attempts; then refused.` : "";
  const text = t.failing.length === 1 ? `${name(f)} fails. ${when}` : `${t.failing.length} originals fail: ${some(t.failing.map(name), 2)}. The latest: ${when}`;
  say("note", text, { since: Date.parse(t.failing.at(-1).last), href: "#/originals", actions: forFailing(f) });
}

function ofEdges(t, say) {
  if (!t.edges.some((e) => e.connected)) say("critical", "No edge is connected to this coordinator.", { href: "#/edges" });
  for (const e of t.edges) {
    for (const [name, state] of breakers(e)) say("critical", `${e.name} pauses calls to ${name}, which fails (breaker ${state}).`, { href: "#/edges" });
    if (e.connected && e.status && !e.status.coordinator) say("critical", `No coordinator answers ${e.name}.`, { href: "#/coordinators" });
  }
  const asked = new Set(t.edges.filter((e) => e.connected && e.status?.coordinator).map((e) => e.status.coordinator));
  if (asked.size > 1) say("critical", `Edges ask different coordinators (${[...asked].join(", ")}): each enforces its limits alone.`, { href: "#/coordinators" });
  // Lane limits differ while each edge learns the speed of the lanes.
  for (const r of t.rules) if (r.differing && !r.name.startsWith("lane:")) say("warning", `Edges have different limits for ${r.name}; the lowest is in force.`, { href: "#/throttles" });
}

// attention returns {severity, word, text, who, since, href, actions} of all that needs attention.
export function attention(t) {
  const all = [];
  const say = (severity, text, more = {}) => all.push({ severity, word: severities[severity], text, actions: [], ...more });
  for (const of of [ofEdges, ofClients, ofRenderers, ofThrottles, ofFailing, ofLanes]) of(t, say);
  const order = Object.keys(severities);
  return all.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity)); // stable: clients stay first
}

// sentence is the state of the cluster in one sentence.
export function sentence(t, all) {
  const requests = sum(Object.values(t.requests_per_second));
  const refused = sum(Object.values(t.refusals_per_second));
  const worst = all[0]?.severity;
  const client = all.find((a) => a.who);
  const serves = `Serves ${rate(Math.max(0, requests - refused))} of ${rate(requests)} requests/s`;
  if (worst === "critical") return { mark: "critical", word: "Failing", text: `${serves}. ${all[0].text}` };
  if (client && refused) return { mark: "warning", word: "One client", text: `${serves}. ${client.who} causes ${percent(Math.max(...t.clients.map((c) => c.refused_share)))} of refusals.` };
  if (worst === "warning") return { mark: "warning", word: "Strained", text: `${serves}${refused ? `, refuses ${rate(refused)}` : ""}.` };
  const n = live(t);
  return { mark: "good", word: "Healthy", text: `${serves}; ${many(n, "renderer")}, ${count(t.renderers_wanted)} wanted.` };
}
