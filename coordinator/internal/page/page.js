// The operators' page shows each report of the stream, on an overview and on pages of details.

import * as actions from "./actions.js";
import { forClient, forFailing, live, offer as against, sentence } from "./attention.js";
import { drawCharts, hour, load, note, redraw } from "./charts.js";
import { Table, element } from "./table.js";
import { clock, count, many, percent, plain, rate, second, span } from "./text.js";
import { loadThrottles, networkOf, ofRule } from "./throttles.js";
import { word, words } from "./words.js";

const $ = (id) => document.getElementById(id);
const n = (title) => ({ title, number: true });
const c = (title) => ({ title });
const number = (value, text = count(value), mark = "") => ({ parts: [{ text }], value, mark });
const toClient = (name) => ({ text: name, href: "#/clients/" + encodeURIComponent(name) });
const toOriginal = (name) => ({ text: name, href: "#/originals/" + encodeURIComponent(name) });
const offer = (text, kind, target, more) => ({ text, label: `${text} ${target}`, act: () => actions.give(kind, target, more) });

// The tables of each page, and the rows that a report gives them.
const tables = {
  clients: [new Table("clients", "Clients of the last minutes", [c("client"), n("refusals/s"), n("share of refusals"), n("share of renderers’ time"), n("processors"), c("refused by"), c("since"), c("actions")],
    { empty: "No client asks for renders.", filters: ["refused", "served"] }), clientRows],
  failing: [new Table("failing", "Failing originals", [c("original"), c("fault"), n("failures"), c("tried again"), c("last fault"), c("message"), c("engine"), c("actions")],
    { empty: "No original fails.", filters: ["refused", "tried"] }), failingRows],
  refusedOriginals: [new Table("refused-originals", "Originals with the most refusals, in the last minutes", [c("original"), c("throttle"), n("refusals")]), (t) => t.busiest.refused_originals.map(originalRow)],
  busyOriginals: [new Table("busy-originals", "Originals with the most requests for renders, in the last minutes", [c("original"), n("requests")]),
    (t) => t.busiest.originals.map((b) => ({ key: b.name, cells: [toOriginal(plain(b.name)), number(b.count)] }))],
  costlyOriginals: [new Table("costly-originals", "Originals with the most processor time, in the last minutes", [c("original"), n("processor seconds")]),
    (t) => (t.busiest.costly_originals ?? []).map((b) => ({ key: b.name, cells: [toOriginal(plain(b.name)), number(b.count / 1000, rate(b.count / 1000))] }))],
  throttles: [new Table("throttles", "Refusals by throttle", [c("throttle"), n("refusals/s"), c("meaning")], { empty: "No throttle refused a request in the last ten seconds.", sort: 1 }),
    (t) => Object.entries(t.refusals_per_second).filter(([, v]) => v > 0).map(([name, v]) => ({ key: name, cells: [word(name), number(v, rate(v)), words[name] ?? ""] }))],
  rules: [new Table("rules", "Limits in force", [c("rule"), n("at once"), n("held and waiting"), c("mode"), c("edges that differ"), c("actions")], { empty: "No edge has declared its rules yet." }), ruleRows],
  pools: [new Table("pools", "Places held and waited for, by pool", [c("pool"), n("held"), n("waiting"), n("limit"), n("queue bound"), n("longest wait")], { empty: "No request holds or waits for a place." }), poolRows],
  lanes: [new Table("lanes", "Lanes", [c("lane"), n("jobs queued"), n("oldest"), n("admitted"), n("waiting"), n("limit"), n("slots"), c("state"), c("actions")], { empty: "No lane is known yet." }), laneRows],
  renderers: [new Table("renderers", "Living renderers", [c("renderer"), n("busy"), n("slots"), n("use"), n("in hand"), c("engine"), c("workers killed"), c("version"), c("state"), c("actions")],
    { empty: "No edge has reported a renderer.", filters: ["takes jobs", "drains"] }), rendererRows],
  edges: [new Table("edges", "Edges", [c("edge"), c("coordinator"), n("leases"), n("waiting"), c("breakers not closed"), c("version")], { empty: "No edge is connected.", filters: ["connected", "gone"] }), edgeRows],
  requests: [new Table("requests", "Requests of all edges, by outcome", [c("outcome"), n("per second"), c("meaning")], { empty: "No request yet.", sort: 1 }),
    (t) => Object.entries(t.requests_per_second).map(([name, v]) => ({ key: name, cells: [word(name), number(v, rate(v)), words[name] ?? ""] }))],
  coordinators: [new Table("coordinators", "Coordinators that edges ask", [c("coordinator"), n("edges"), c("names")], { empty: "No edge asks a coordinator." }), coordinatorRows],
  directives: [new Table("directives", "Directives in force", [c("directive"), c("effect"), n("time left"), c("operator"), c("reason"), c("actions")], { empty: "No directive is in force." }), directiveRows],
};
// The tables of one client, and of one original, by page; their requests come from an answer of their own.
const requestColumns = (other) => [c("ended"), c(other), c("thumbnail"), c("outcome"), n("held")];
const none = { empty: "None of its latest requests asked for a render." };
const ofOne = {
  clients: [new Table("client-originals", "Originals of the client’s latest requests for renders", [c("original"), n("requests"), n("refused"), n("failed")], { ...none, sort: 1 }),
    new Table("client-requests", "The client’s latest requests for renders", requestColumns("original"), none)],
  originals: [new Table("original-thumbnails", "Thumbnails of the original that were asked for lately", [c("thumbnail"), n("requests"), n("refused"), n("failed"), c("last outcome")], { ...none, sort: 1 }),
    new Table("original-requests", "The latest requests for renders of the original", requestColumns("client"), none)],
};
const audit = new Table("audit", "What operators did, the latest first", [c("time"), c("operator"), c("act"), c("reason")], { empty: "Nobody did anything yet." });

function clientRows(t) {
  return t.clients.map((k) => {
    const name = plain(k.name);
    return { key: name, kind: k.refused_per_second >= 0.05 ? "refused" : "served", cells: [
      toClient(name), number(k.refused_per_second, rate(k.refused_per_second)), number(k.refused_share, percent(k.refused_share)), number(k.work_share, percent(k.work_share)), number(k.processors, rate(k.processors)),
      Object.keys(k.refused_by ?? {}).sort().join(", ") || "nothing", { parts: [{ text: clock(k.since) }], value: Date.parse(k.since) }, { parts: forClient(t, k) }] };
  });
}

function failingRows(t) {
  return t.failing.map((f) => ({ key: [f.original, f.page, f.thumbnail, f.fault, f.engine, f.message].join(" "), kind: f.again ? "refused" : "tried", cells: [
    { parts: [toOriginal(f.original), ...(f.page ? [{ text: `page ${f.page}` }] : []), ...(f.thumbnail ? [{ text: f.thumbnail }] : [])] }, word(f.fault),
    number(f.failures, f.limit ? `${f.failures} of ${f.limit}` : count(f.failures)), f.again ? { parts: [{ text: `at ${clock(f.again)}` }], mark: "warn" } : "at the next request",
    { parts: [{ text: clock(f.last) }], value: Date.parse(f.last) }, f.message, f.engine, { parts: forFailing(t, f) }] }));
}

function originalRow(b) {
  const [throttle, variant] = ofRule(b.by);
  return { key: b.name + " " + (b.by ?? ""), cells: [toOriginal(plain(b.name)), throttle + (variant ? ` (${variant})` : ""), number(b.count)] };
}

function ruleRows(t) {
  return t.rules.map((r) => ({ key: r.name, cells: [
    r.name, number(r.workers), number(r.max_queue), { parts: [word("shadow", (r.shadow ? "shadow" : "enforced") + (r.directed ? ", by a directive" : ""))], mark: r.directed ? "warn" : "" },
    Object.entries(r.differing ?? {}).map(([edge, d]) => `${edge}: ${d.workers}, ${d.max_queue}`).join("; "),
    { parts: [offer("Change", "limit", r.name, { rule: r })] }] }));
}

function poolRows(t) {
  return t.pools.map((p) => ({ key: p.key, cells: [
    p.name + (p.shadow ? " (shadow)" : ""), number(p.holders), number(p.waiters, count(p.waiters), p.waiters ? "warn" : ""),
    number(p.limit, p.limit ? count(p.limit) : "–"), number(p.max_queue, p.max_queue ? count(p.max_queue) : "–"), number(p.oldest_wait_ms, p.oldest_wait_ms ? span(p.oldest_wait_ms) : "–")] }));
}

function laneRows(t) {
  return t.lanes.map((l) => ({ key: l.name, cells: [
    l.name, number(l.depth), number(l.age_ms, l.age_ms ? span(l.age_ms) : "–", l.behind ? "warn" : ""), number(l.running), number(l.waiting), number(l.limit), number(l.slots),
    l.paused ? { parts: [{ text: "paused" }], mark: "warn" } : "open", { parts: l.paused ? [] : [offer("Pause", "pause", l.name, { now: `${many(l.waiting + l.depth, "request")} wait or render in it now.` })] }] }));
}

function rendererRows(t) {
  return t.renderers.map((r) => ({ key: r.renderer, kind: r.draining ? "drains" : "takes jobs", cells: [
    r.renderer, number(r.busy), number(r.slots), number(r.utilisation, percent(r.utilisation)), number(r.in_hand), r.engine_version,
    Object.entries(r.kills ?? {}).map(([reason, k]) => `${reason} ${k}`).join(", ") || "none", r.build,
    r.draining ? { parts: [{ text: r.ordered ? "drains (directive)" : "stops" }], mark: "warn" } : "takes jobs",
    { parts: r.draining ? [] : [offer("Drain", "drain", r.renderer, { now: `${many(live(t) - 1, "renderer")} remain.` })] }] }));
}

function edgeRows(t) {
  return t.edges.map((e) => ({ key: e.name, kind: e.connected ? "connected" : "gone", cells: [
    e.name + (e.connected ? "" : " (disconnected)"), e.status?.coordinator || { parts: [{ text: "no coordinator answers" }], mark: "bad" }, number(e.leases), number(e.waiting),
    Object.entries(e.status?.breakers ?? {}).filter(([, s]) => s !== "closed").map(([name, s]) => `${name} ${s}`).join(", ") || "none", e.status?.version ?? ""] }));
}

function coordinatorRows(t) {
  const asked = Map.groupBy(t.edges.filter((e) => e.connected), (e) => e.status?.coordinator || "none answers");
  return [...asked].map(([name, edges]) => ({ key: name, cells: [name, number(edges.length), edges.map((e) => e.name).join(", ")] }));
}

function directiveRows(t) {
  return t.directives.map((d) => ({ key: d.id, cells: [
    word("directive", d.kind), actions.effects[d.kind](d), number(d.left_ms, span(d.left_ms)), d.who, d.why,
    { parts: [{ text: "Undo", label: `Undo ${d.kind} ${d.target}`, act: () => actions.withdraw(d) }] }] }));
}

async function readAudit() {
  const answer = await fetch("api/v1/directives/audit").catch(() => null);
  if (!answer?.ok) return;
  audit.show((await answer.json()).audit.map((e) => ({ key: `${e.directive.id} ${e.directive.withdrawn ?? ""}`, cells: [
    { parts: [{ text: clock(e.at) }], value: Date.parse(e.at) }, e.who, (e.directive.withdrawn ? "Ended early: " : "") + actions.effects[e.directive.kind](e.directive), e.directive.why] })));
}

const outcomeOf = (r) => r.outcome === "refused" ? `refused by ${r.throttle}` : r.outcome === "failed" ? `failed: ${r.fault} ${r.message}` : r.outcome;

// summed joins requests by a name.
function summed(requests, name, cells) {
  return [...Map.groupBy(requests, name)].map(([key, of]) => {
    const counted = (outcome) => number(of.filter((r) => r.outcome === outcome).length);
    return { key, cells: [cells.link ? cells.link(key) : key, number(of.length), counted("refused"), counted("failed"), ...(cells.more ?? (() => []))(of)] };
  });
}

// readRequests shows the latest requests of a client or an original, and reads them again every few seconds.
let read = { key: "", at: 0 };
async function readRequests(page, name) {
  for (const table of Object.values(ofOne).flat()) table.root.hidden = !name;
  const key = page + "/" + name;
  if (!name || read.key === key && Date.now() - read.at < 4000) return;
  if (read.key !== key) for (const table of ofOne[page]) table.show([]);
  read = { key, at: Date.now() };
  const answer = await fetch(`api/v1/throttles/requests?${page === "clients" ? "client" : "original"}=${encodeURIComponent(name)}`).catch(() => null);
  if (!answer?.ok || read.key !== key) return;
  const requests = await answer.json();
  const [sums, all] = ofOne[page];
  sums.show(page === "clients" ? summed(requests.filter((r) => r.original), (r) => r.original, { link: toOriginal })
    : summed(requests, (r) => r.thumbnail, { more: (of) => [outcomeOf(of[0])] }));
  all.show(requests.map((r) => ({ key: [r.at, r.client, r.thumbnail].join(" "), cells: [
    { parts: [{ text: second(r.at) }], value: Date.parse(r.at) }, page === "clients" ? toOriginal(r.original) : toClient(r.client), r.thumbnail, outcomeOf(r),
    number(r.held_ms, r.held_ms ? span(r.held_ms) : "–")] })));
}

// versions lists the versions of the libraries and tools that renderers draw with.
function versions(renderers) {
  const found = {};
  for (const r of renderers) {
    for (const [name, version] of Object.entries(r.versions ?? {})) {
      const of = found[name] ??= {};
      of[version] = (of[version] ?? 0) + 1;
    }
  }
  const each = (of) => Object.entries(of).sort().map(([version, k]) => (Object.keys(of).length > 1 ? `${version} on ${k}` : version)).join(", ");
  const all = Object.keys(found).sort().map((name) => `${name} ${each(found[name])}`);
  return all.length ? `Renderers draw with ${all.join("; ")}.` : "";
}

// The words that people read beside the colours of severities.
const severities = { critical: "Critical", warning: "Warning", note: "Note", good: "Fine" };

// drawAttention keeps the elements of an item while only its numbers change.
function drawAttention(t, all) {
  const list = $("attention-list");
  const items = all.length ? all : [{ severity: "good", sentence: "No throttle refuses, no lane is behind, no original fails.", actions: [] }];
  const known = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const shown = items.map((a) => {
    const text = sentence(a);
    const key = a.severity + (a.who ?? "") + text.replace(/\d[\d.,<:]*( %| ms| s| min)?/g, "#") + a.actions.length;
    const item = known.get(key) ?? attentionItem(t, a, key);
    item.querySelector(".what").textContent = text;
    item.querySelector(".remedy").textContent = a.remedy ? `To change this, ${a.remedy}.` : "";
    item.querySelector(".since").textContent = a.since ? `since ${clock(a.since)}` : "";
    return item;
  });
  if (shown.some((item, i) => list.children[i] !== item) || list.children.length !== shown.length) list.replaceChildren(...shown);
  // A phone has room for two notes, or for three graver problems, above the charts.
  const phone = matchMedia("(max-width: 44rem)").matches;
  const most = !phone ? 4 : items[2]?.severity === "note" ? 2 : 3;
  $("more").hidden = shown.length <= most || list.classList.contains("all");
  $("more").textContent = `Show ${shown.length - most} more`;
  shown.forEach((item, i) => { item.hidden = i >= most && !list.classList.contains("all"); });
}

function attentionItem(t, a, key) {
  const item = document.createElement("li");
  item.className = a.severity;
  item.dataset.key = key;
  item.innerHTML = `<b class="badge"></b><span class="text"><a class="what"></a> <span class="remedy"></span> <span class="since"></span></span><span class="do"></span>`;
  item.querySelector(".badge").textContent = severities[a.severity];
  if (a.page) item.querySelector(".what").href = "#/" + a.page;
  item.querySelector(".do").append(...a.actions.map((one) => element(against(t, { ...one, who: a.who }))));
  return item;
}

function drawState(state, speed) {
  $("state").className = state.severity;
  $("state-word").textContent = state.word;
  $("state-text").textContent = state.sentence;
  document.title = `${state.word} – thumbmill`;
  const link = $("speed").firstElementChild;
  $("speed").hidden = !speed.sentence;
  link.textContent = speed.sentence;
  link.href = "#/" + speed.page;
}

// detail shows one client or original.
function detail(t, page, name) {
  const box = document.querySelector(`[data-page="${page}"] .detail`);
  box.hidden = !name;
  if (!name) return;
  const facts = page === "clients" ? clientFacts(t, name) : originalFacts(t, name);
  const shape = JSON.stringify([name, facts]);
  if (box.dataset.shape === shape) return;
  box.dataset.shape = shape;
  const list = document.createElement("ul");
  list.append(...facts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  const title = Object.assign(document.createElement("h3"), { textContent: name });
  const back = element({ text: `All ${page}`, href: "#/" + page });
  box.replaceChildren(title, list, back);
}

const ofPool = (t, key) => t.pools.filter((p) => plain(p.key) === key).map((p) => `It holds ${many(p.holders, "place")} of ${p.limit || "?"}, and ${p.waiters} wait.`);

function clientFacts(t, name) {
  const k = t.clients.find((one) => plain(one.name) === name);
  const by = Object.entries(k?.refused_by ?? {}).map(([throttle, v]) => `${throttle} refuses ${rate(v)} of its requests/s: ${words[throttle] ?? ""}`);
  const told = t.directives.filter((d) => [d.target, networkOf(d.target)].some((of) => of.startsWith(name))).map((d) => `${actions.effects[d.kind](d)}: ${d.why} (${d.who}, ${span(d.left_ms)} left).`);
  return [...(k ? [`It ${k.takes}, since ${clock(k.since)}.`] : ["It asked for nothing in the last minutes."]), ...by, ...ofPool(t, "ip:" + name), ...told];
}

function originalFacts(t, name) {
  const failing = t.failing.filter((f) => f.original === name);
  const faults = failing.map((f) => `${f.thumbnail || (f.page ? `page ${f.page}` : "All thumbnails")}: ${f.fault}, ${f.message} (engine ${f.engine}). ${f.failures}${f.limit ? ` of ${f.limit}` : ""} failures, the last at ${clock(f.last)}. ${f.again ? `Refused until ${clock(f.again)}.` : "The next request tries again."}`);
  const refused = t.busiest.refused_originals.filter((b) => plain(b.name) === name).map((b) => `${ofRule(b.by)[0]} refused ${many(b.count, "request")} for it in the last minutes.`);
  return [...faults, ...refused, ...ofPool(t, "original:" + name), ...(faults.length || refused.length ? [] : ["It neither fails nor is refused now."])];
}

const pages = ["overview", "clients", "originals", "throttles", "lanes", "renderers", "coordinators", "edges", "actions"];
let report = null;

// route reads the page, and the name of a client or original, from the address.
function route() {
  const [, first = "", second = ""] = location.hash.split("/");
  if (first === "help") return { page: document.querySelector("[data-page]:not([hidden])")?.dataset.page ?? "overview", help: decodeURIComponent(second) };
  return { page: pages.includes(first) ? first : "overview", name: second && decodeURIComponent(second) };
}

function go() {
  const { page, help } = route();
  if (help !== undefined) return openHelp(help);
  document.querySelectorAll("[data-page]").forEach((section) => { section.hidden = section.dataset.page !== page; });
  document.querySelectorAll("nav a").forEach((a) => { if (a.hash === "#/" + (page === "overview" ? "" : page)) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current"); });
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  scrollTo(0, 0);
  if (page === "actions") readAudit();
  if (report) draw(report);
}

function openHelp(name) {
  const dialog = $("help");
  if (!dialog.open) dialog.showModal();
  const dt = [...dialog.querySelectorAll("dt")].find((d) => d.textContent === name);
  dialog.querySelectorAll("dt").forEach((d) => d.classList.toggle("asked", d === dt));
  dt?.scrollIntoView({ block: "center" });
}

function draw(t) {
  report = t;
  drawState(t.state, t.speed);
  drawAttention(t, t.problems);
  const { page, name } = route();
  if (page === "overview") drawCharts();
  for (const [table, rows] of Object.values(tables)) if (table.root.closest("[data-page]").dataset.page === page) table.show(rows(t));
  if (page === "clients" || page === "originals") {
    detail(t, page, name);
    readRequests(page, name);
  }
  $("source").textContent = hour.source === "prometheus" ? "The charts come from Prometheus. · " : "";
  $("wanted").textContent = `${many(t.renderers_wanted, "renderer")} wanted for the requests of the last minutes; ${many(live(t), "renderer takes", "renderers take")} jobs. One client counts for at most a quarter of the fleet.`;
  $("versions").textContent = versions(t.renderers);
  $("pools-more").textContent = t.pools_omitted ? `and ${count(t.pools_omitted)} more` : "";
}

// listen shows each report, and opens the stream again after a refusal.
let last = 0;
function listen() {
  const stream = new EventSource("api/v1/throttles/stream?pools=50");
  stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000); });
  stream.addEventListener("throttles", (event) => {
    const t = JSON.parse(event.data);
    last = Date.now();
    loadThrottles().then(glossary);
    note(t.latest);
    draw(t);
    $("link").className = "";
    $("link").textContent = "live";
    $("link").title = `this coordinator started ${new Date(t.started).toLocaleString()}`;
  });
}

function watch() {
  if (Date.now() - last < 4000) return;
  $("link").className = "lost";
  $("link").textContent = last ? `no report since ${clock(last)}` : "no report yet";
}

// glossary writes the help once the meanings of the throttles are there.
function glossary() {
  if ($("glossary").childElementCount === 2 * Object.keys(words).length) return;
  $("glossary").replaceChildren(...Object.entries(words).flatMap(([name, text]) => [Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: text })]));
}

for (const [table] of [...Object.values(tables), [audit], ...Object.values(ofOne).flat().map((one) => [one])]) document.querySelector(`[data-for="${table.name}"]`).replaceWith(table.root);
$("more").addEventListener("click", () => { $("attention-list").classList.add("all"); if (report) draw(report); });
$("help").addEventListener("close", () => { if (location.hash.startsWith("#/help")) history.back(); });
actions.onAct(readAudit);
actions.start();
addEventListener("hashchange", go);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
go();
Promise.all([load(), loadThrottles()]).then(listen);
setInterval(() => load().then(drawCharts), 30 * 60_000); // yesterday is known for an hour to come
setInterval(watch, 1000);
