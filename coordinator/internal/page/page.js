// The operators' page shows each report of the stream, and sends directives.

const $ = (id) => document.getElementById(id);
const token = () => sessionStorage.getItem("token") ?? "";

// The meanings of outcomes, throttles and columns. Every number links to its meaning.
const words = {
  "hit": "The thumbnail was stored already.",
  "rendered": "A renderer drew the thumbnail for this request.",
  "shared": "The request waited for a render that another edge asked for.",
  "nearest": "A throttle refused, and the edge served another size of the same original (edge.nearest).",
  "original": "The edge served an object of the store unchanged.",
  "preflight": "A browser asked whether another site's page may use a thumbnail (CORS).",
  "bad-method": "The method is neither GET nor HEAD.",
  "redirected": "The edge redirected the client to a better URL.",
  "client-left": "The client left before its answer.",
  "bad-url": "The URL asks for something impossible.",
  "no-such-url": "The URL has no known grammar.",
  "odd-size": "The size is not a standard size.",
  "forbidden": "The URL has no signature, or a wrong one.",
  "private": "The container is private, and the request had no secret.",
  "blocked": "A directive blocks the client's network.",
  "absent": "The original does not exist.",
  "failing": "The original failed too often lately; see Failing originals.",
  "throttled": "The throttle per-ip, per-original or expensive refused; see Refusals.",
  "lane-full": "The lane had more work than its renderers can do in time; see Lanes.",
  "no-renderer": "No renderer began the job in time.",
  "lost": "Several renderers vanished during the job.",
  "unsupported": "No engine reads this type.",
  "undecodable": "The original is damaged, or has a type other than its name says.",
  "too-large": "The original exceeds a bound on bytes or pixels.",
  "overran": "The render exceeded its time.",
  "worker-killed": "The original killed every worker that tried it.",
  "original-store": "The store of originals failed.",
  "thumbnail-store": "The store of thumbnails failed.",
  "unavailable": "The queue failed, or an edge had no room.",
  "deadline": "The request's time was over.",
  "internal": "A defect, or a full disk: see the log.",
  "per-ip": "One client renders more at once than throttle.per_ip allows.",
  "per-original": "One original is rendered in more sizes at once than throttle.per_original allows.",
  "expensive": "More originals of an expensive type are rendered at once than throttle.expensive allows.",
  "lane": "All renderers are busy, or operators paused the lane.",
  "failure": "The original failed too often. The edge refuses it for a while.",
  "local": "No coordinator answers, and the edge has reached its own limit.",
  "slots": "Renders that can run at once. The lanes expensive and bulk each use at most half of a renderer's slots.",
  "jobs queued": "Jobs of the lane that wait in NATS or are in renderers' hands.",
  "admitted": "Requests that hold a place of the lane's pool. Their job waits in the queue, runs, or is being stored.",
  "waiting": "Requests that stand in line for a place at the coordinator.",
  "use": "Share of the time of a renderer's slots that renders used in the last second.",
  "workers killed": "Worker processes that died during a render or reached a limit (time, cpu, file, scratch, died), since the renderer's start.",
  "renderers wanted": "Number of renderers of the fleet's mean size that the requests of the last minutes keep busy for 70 % of their time. Refused requests count too. The number rises within about a minute and falls after five.",
  "lease": "The places in pools that one admitted request holds.",
  "shadow": "A throttle in shadow mode counts refusals, and refuses nothing.",
  "directive": "An operator's decision for a time. A directive reaches all edges and coordinators, and outlives their restarts while one of them still knows it.",
};

// word links a name to its meaning.
function word(name, text = name) {
  return name in words ? { text, href: "#word-" + name.replaceAll(" ", "-") } : { text };
}

const plain = (key) => { try { return decodeURIComponent(key.replaceAll("+", " ")); } catch { return key; } };
const rate = (n) => n === 0 ? "0" : n < 0.1 ? "<0.1" : n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString("en");
const count = (n) => n.toLocaleString("en");
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 90) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${Math.round(s / 86400)} days`;
}

// element makes a text, a link or a button from a part of a cell.
function element(part) {
  if (part.act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "acting";
    button.textContent = part.text;
    button.setAttribute("aria-label", part.label ?? part.text);
    button.addEventListener("click", () => part.act());
    return button;
  }
  if (!part.href) return document.createTextNode(part.text);
  const link = document.createElement("a");
  link.href = part.href;
  link.textContent = part.text;
  return link;
}

// fill updates the rows of a table. Remaining rows and buttons keep their elements, and with them the
// focus and a screen reader's place. A row is {key, cells}; a cell is text, a part, or {parts, mark}.
function fill(name, rows, empty) {
  const table = document.querySelector(`table[data-table="${name}"]`);
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  if (!rows.length) rows = [{ key: "none", cells: [{ parts: [{ text: empty }], mark: "none" }] }];
  const used = new Set();
  rows.forEach(({ key, cells }, at) => {
    const row = known.get(key) ?? document.createElement("tr");
    known.delete(key);
    used.add(row);
    row.dataset.key = key;
    cells.forEach((cell, i) => show(row.cells[i] ?? row.insertCell(), cell, cells.length === 1 ? null : heads[i]));
    if (cells.length === 1) row.cells[0].colSpan = heads.length;
    if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
  });
  [...body.rows].forEach((row) => { if (!used.has(row)) row.remove(); });
}

function show(td, cell, head) {
  const parts = cell.parts ?? [typeof cell === "object" ? cell : { text: String(cell ?? "") }];
  td.className = [head?.className ?? "", cell.mark ?? ""].join(" ").trim();
  td.dataset.label = head?.textContent ?? "";
  const shape = JSON.stringify(parts.map((p) => [p.text, p.href, p.label]));
  if (td.dataset.shape === shape) return;
  td.dataset.shape = shape;
  td.replaceChildren(...parts.map(element));
}

// tiles are numbers with their last hour. A tile adds up its series.
const tiles = [
  { id: "requests", title: "requests per second", href: "#requests", series: (n) => n.startsWith("request "), now: (t) => rate(sum(Object.values(t.requests_per_second))) },
  { id: "rendered", title: "renders per second", href: "#requests", series: (n) => n === "request rendered", now: (t) => rate(t.requests_per_second.rendered ?? 0) },
  { id: "refused", title: "refusals per second", href: "#refusals", series: (n) => n.startsWith("refuse "), now: (t) => rate(sum(Object.values(t.refusals_per_second))) },
  { id: "waiting", title: "requests in line", href: "#pools", series: (n) => n === "waiting", now: (t) => count(sum(t.lanes.map((l) => l.waiting))) },
  { id: "queued", title: "jobs queued", href: "#lanes", series: (n) => n.startsWith("depth "), now: (t) => count(sum(t.lanes.map((l) => l.depth))) },
  { id: "busy", title: "slots busy", href: "#renderers", series: (n) => n === "busy", now: (t) => `${sum(t.renderers.map((r) => r.busy))} of ${sum(t.renderers.map((r) => r.slots))}` },
  { id: "live", title: "renderers alive, wanted", href: "#renderers", series: (n) => n === "slots", now: (t) => `${t.renderers.length}, ${t.renderers_wanted}` },
];

const hour = { step: 10, values: {} };

function drawTiles(t) {
  for (const tile of tiles) {
    let link = $("tile-" + tile.id);
    if (!link) {
      link = document.createElement("a");
      link.id = "tile-" + tile.id;
      link.className = "tile";
      link.href = tile.href;
      link.innerHTML = `<b></b><span></span><svg viewBox="0 0 360 40" preserveAspectRatio="none" role="img"><polyline></polyline></svg>`;
      link.querySelector("span").textContent = tile.title;
      $("tiles").append(link);
    }
    link.querySelector("b").textContent = tile.now(t);
    plot(link.querySelector("svg"), Object.keys(hour.values).filter(tile.series).map((n) => hour.values[n]));
  }
}

function plot(svg, series) {
  const length = Math.max(0, ...series.map((s) => s.length));
  const values = Array.from({ length }, (_, i) => sum(series.map((s) => s[i] ?? 0)));
  const most = Math.max(1e-9, ...values);
  const width = 360 / Math.max(30, length - 1); // of a point; a young history does not fill the width
  svg.firstChild.setAttribute("points", values.map((v, i) => `${360 - width * (length - 1 - i)},${38 - 36 * v / most}`).join(" "));
  svg.setAttribute("aria-label", length ? `the last ${span(length * hour.step * 1000)}: at most ${rate(most)}` : "no history yet");
}

async function loadHour() {
  const answer = await fetch("api/v1/throttles/history").catch(() => null);
  if (answer?.ok) Object.assign(hour, await answer.json());
}

// behind reports whether a lane has old jobs, or refuses requests while all its places are taken.
const behind = (t, l) => l.age_ms > 2000 || (t.refusals_per_second.lane ?? 0) > 0 && l.waiting > 0 && l.running >= l.limit;

// some joins the first three names of a list.
const some = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");

// A refusal names the class of the pool that refused, or the pool of a lane.
const throttleOf = (by) => ({ ip: "per-ip", original: "per-original" })[by] ?? by?.split(":")[0] ?? "";
const laneOf = (by) => by?.startsWith("lane:") ? by.slice("lane:".length) : "";

// why returns the reasons of a throttle's refusals. Edges refuse requests for paused lanes. The
// coordinator refuses for lack of renderers, and only its refusals name clients.
function why(t, throttle, refusedBy) {
  if (throttle !== "lane") return words[throttle] ?? "";
  const paused = t.lanes.filter((l) => l.paused).map((l) => l.name);
  const reasons = [];
  if (refusedBy.length || !paused.length) reasons.push("All renderers are busy.");
  if (paused.length) reasons.push(`Operators paused ${some(paused)}.`);
  return reasons.join(" ");
}

// attention sums up the report in sentences for an operator.
function attention(t) {
  const all = [];
  const say = (mark, text, href) => all.push({ mark, text, href });
  const live = t.renderers.filter((r) => !r.draining).length;
  if (!t.edges.some((e) => e.connected)) say("bad", "No edge is connected to this coordinator.", "#edges");
  if (t.edges.some((e) => e.connected) && !live) say("bad", "No renderer takes jobs: the cluster renders nothing new.", "#renderers");
  const refused = Object.entries(t.refusals_per_second).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  for (const [throttle, n] of refused) {
    const list = throttle === "per-original" ? t.busiest.refused_originals : t.busiest.refused_clients;
    const refusedBy = list.filter((b) => throttleOf(b.by) === throttle);
    const where = throttle === "lane" ? some([...new Set(refusedBy.map((b) => laneOf(b.by)))].sort()) : "";
    say("warn", `${throttle}${where && ` (${where})`} refuses ${rate(n)} requests per second${refusedBy.length ? `, most of all ${plain(refusedBy[0].name)}` : ""}: ${why(t, throttle, refusedBy)}`, "#refusals");
  }
  for (const l of t.lanes) {
    if (l.paused) say("warn", `The lane ${l.name} is paused.`, "#lanes");
    const signs = [];
    if (l.waiting) signs.push(`${count(l.waiting)} requests wait for one of its ${count(l.limit)} places`);
    if (l.age_ms > 2000) signs.push(`its oldest job is ${span(l.age_ms)} old`);
    if (behind(t, l)) say("warn", `The lane ${l.name} is behind${signs.length ? ": " : ""}${signs.join(", ")}.`, "#lanes");
  }
  if (t.renderers_wanted > live && live) say("warn", `${live} ${live === 1 ? "renderer takes" : "renderers take"} jobs, and the requests of the last minutes need ${t.renderers_wanted}, refused requests included.`, "#renderers");
  for (const r of t.renderers) if (r.draining) say("warn", `${r.renderer} drains${r.ordered ? ": an operator told it to" : ""}.`, "#renderers");
  if (t.failing.length) say("warn", `${t.failing.length} ${t.failing.length === 1 ? "original fails" : "originals fail"}: ${some(t.failing.map((f) => `${f.original} (${f.fault})`))}.`, "#failing");
  for (const e of t.edges) {
    for (const [name, state] of Object.entries(e.status?.breakers ?? {})) {
      if (state !== "closed") say("bad", `${e.name}: the breaker of ${name} is ${state}.`, "#edges");
    }
    if (e.connected && e.status && !e.status.coordinator) say("bad", `No coordinator answers ${e.name}.`, "#edges");
  }
  const asked = new Set(t.edges.filter((e) => e.connected && e.status?.coordinator).map((e) => e.status.coordinator));
  if (asked.size > 1) say("bad", `Edges ask different coordinators (${[...asked].join(", ")}): each coordinator enforces its limits alone.`, "#edges");
  // Lane limits differ while each edge learns the speed of the lanes.
  for (const r of t.rules) if (r.differing && !r.name.startsWith("lane:")) say("warn", `Edges have different limits for ${r.name}; the lowest limit is in force.`, "#rules");
  if (!all.length) say("good", "All is well: no throttle refuses, no lane is behind, no original fails.", "#now");
  return all;
}

function drawAttention(t) {
  const all = attention(t);
  const shape = JSON.stringify(all.map((a) => [a.mark, a.href, a.text.replace(/[\d.,<]+( ms| s| min)?/g, "")])); // a new number alone changes nothing
  const list = $("attention-list");
  if (list.dataset.shape === shape) {
    all.forEach((a, i) => { list.children[i].firstChild.textContent = a.text; });
    return;
  }
  list.dataset.shape = shape;
  list.replaceChildren(...all.map((a) => {
    const item = document.createElement("li");
    item.className = a.mark;
    item.append(element({ text: a.text, href: a.href }));
    return item;
  }));
}

// The effects of directives, as operators confirm and read them.
const kinds = {
  block: (d) => `Block ${d.target}: serve nothing to this network`,
  exempt: (d) => `Exempt ${d.target}: per-ip does not count this network`,
  limit: (d) => `Change the limits of ${d.target}` + (d.workers ? `, ${d.workers} at once` : "") + (d.max_queue ? `, ${d.max_queue} held and waiting` : "") + (d.shadow === true ? ", shadow mode" : d.shadow === false ? ", enforced" : ""),
  pause: (d) => `Pause the lane ${d.target}: finish admitted requests, render nothing new`,
  drain: (d) => `Drain ${d.target}: give it no new jobs`,
  clear: (d) => `Forget the failures of ${d.target}: edges accept it again`,
};

const offer = (text, kind, target, fields) => ({ text, label: `${text} ${target}`, act: () => confirm(kind, target, fields) });
const network = (client) => client.replace(/^exempt /, "");
const isNetwork = (client) => /^[0-9a-f.:/]+$/i.test(network(client)) && /[.:]/.test(client);
const forClient = (name) => ({ parts: isNetwork(name) ? [offer("Block", "block", network(name)), offer("Exempt", "exempt", network(name))] : [] });

// longest bounds the clients or originals in a list. The report has more.
const longest = 10;

// versions lists the versions of the libraries and tools that renderers draw with.
function versions(renderers) {
  const found = {};
  for (const r of renderers) {
    for (const [name, version] of Object.entries(r.versions ?? {})) {
      const of = found[name] ??= {};
      of[version] = (of[version] ?? 0) + 1;
    }
  }
  const each = (of) => Object.entries(of).sort().map(([version, n]) => (Object.keys(of).length > 1 ? `${version} on ${n}` : version)).join(", ");
  const all = Object.keys(found).sort().map((name) => `${name} ${each(found[name])}`);
  return all.length ? `Renderers draw with ${all.join("; ")}.` : "";
}

function draw(t) {
  drawAttention(t);
  drawTiles(t);
  fill("throttles", Object.entries(t.refusals_per_second).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
    .map(([name, n]) => ({ key: name, cells: [word(name), rate(n), words[name] ?? ""] })), "No throttle refused a request in the last ten seconds.");
  const by = (b) => throttleOf(b.by) + (laneOf(b.by) && ` (${laneOf(b.by)})`);
  const busy = (all, refused, buttons) => all.slice(0, longest).map((b) => ({ key: b.name + " " + (b.by ?? ""), cells: [
    plain(b.name), ...(refused ? [by(b)] : []), count(b.count), ...(buttons ? [forClient(plain(b.name))] : [])] }));
  fill("refused-clients", busy(t.busiest.refused_clients, true, true), "None.");
  fill("refused-originals", busy(t.busiest.refused_originals, true, false), "None.");
  fill("busy-clients", busy(t.busiest.clients, false, true), "None.");
  fill("lanes", t.lanes.map((l) => ({ key: l.name, cells: [
    l.name, word("jobs queued", count(l.depth)), { parts: [{ text: l.age_ms ? span(l.age_ms) : "–" }], mark: behind(t, l) ? "warn" : "" },
    word("admitted", count(l.running)), word("waiting", count(l.waiting)), count(l.limit), word("slots", count(l.slots)), l.paused ? { parts: [{ text: "paused" }], mark: "warn" } : "open",
    { parts: l.paused ? [] : [offer("Pause", "pause", l.name)] }] })), "No lane is known yet.");
  const live = t.renderers.filter((r) => !r.draining).length;
  $("wanted").replaceChildren(element(word("renderers wanted", `${t.renderers_wanted} renderers wanted`)), ` for the requests of the last minutes, refused requests included; ${live} ${live === 1 ? "renderer takes" : "renderers take"} jobs.`);
  $("versions").textContent = versions(t.renderers);
  fill("renderers", t.renderers.map((r) => ({ key: r.renderer, cells: [
    r.renderer, count(r.busy), count(r.slots), word("use", `${Math.round(100 * r.utilisation)} %`), count(r.in_hand), r.engine_version,
    Object.entries(r.kills ?? {}).map(([reason, n]) => `${reason} ${n}`).join(", ") || "none", r.build,
    r.draining ? { parts: [{ text: r.ordered ? "drains (directive)" : "stops" }], mark: "warn" } : "takes jobs",
    { parts: r.draining ? [] : [offer("Drain", "drain", r.renderer)] }] })), "No edge has reported a renderer.");
  fill("failing", t.failing.map((f) => ({ key: [f.original, f.page, f.thumbnail, f.fault, f.engine, f.message].join(" "), cells: [
    f.original + (f.page ? `, page ${f.page}` : "") + (f.thumbnail ? ` (${f.thumbnail})` : ""), count(f.failures), word(f.fault), f.message, f.engine,
    new Date(f.last).toLocaleTimeString(), { parts: [offer("Forget", "clear", f.original)] }] })), "No original fails.");
  fill("pools", t.pools.map((p) => ({ key: p.key, cells: [
    plain(p.key) + (p.shadow ? " (shadow)" : ""), count(p.holders), { parts: [{ text: count(p.waiters) }], mark: p.waiters ? "warn" : "" },
    p.limit ? count(p.limit) : "–", p.max_queue ? count(p.max_queue) : "–", p.oldest_wait_ms ? span(p.oldest_wait_ms) : "–"] })), "No request holds or waits for a place.");
  $("pools-more").textContent = t.pools_omitted ? `and ${count(t.pools_omitted)} more` : "";
  fill("rules", t.rules.map((r) => ({ key: r.name, cells: [
    r.name, count(r.workers), count(r.max_queue), { parts: [word("shadow", (r.shadow ? "shadow" : "enforced") + (r.directed ? ", by a directive" : ""))], mark: r.directed ? "warn" : "" },
    Object.entries(r.differing ?? {}).map(([edge, d]) => `${edge}: ${d.workers}, ${d.max_queue}`).join("; "),
    { parts: [offer("Change", "limit", r.name, r)] }] })), "No edge has declared its rules yet.");
  fill("requests", Object.entries(t.requests_per_second).sort((a, b) => b[1] - a[1])
    .map(([name, n]) => ({ key: name, cells: [word(name), rate(n), words[name] ?? ""] })), "No request yet.");
  fill("edges", t.edges.map((e) => ({ key: e.name, cells: [
    e.name + (e.connected ? "" : " (disconnected)"), e.status?.coordinator || { parts: [{ text: "no coordinator answers" }], mark: "bad" }, word("lease", count(e.leases)), count(e.waiting),
    Object.entries(e.status?.breakers ?? {}).filter(([, s]) => s !== "closed").map(([n, s]) => `${n} ${s}`).join(", ") || "none", e.status?.version ?? ""] })), "No edge is connected.");
  fill("directives", t.directives.map((d) => ({ key: d.id, cells: [
    word("directive", d.kind), kinds[d.kind](d), span(d.left_ms), d.who, d.why, { parts: [{ text: "Withdraw", label: `Withdraw ${d.kind} ${d.target}`, act: () => withdraw(d) }] }] })), "No directive is in force.");
}

// ask opens the dialog in which an operator confirms a directive, and returns the dialog and its form.
function ask(title, text, fields, timeless) {
  const dialog = $("act"), form = dialog.querySelector("form");
  $("act-title").textContent = title;
  $("act-text").textContent = text;
  $("act-error").textContent = "";
  $("act-fields").replaceChildren(...fields);
  $("act-hold").hidden = timeless;
  form.who.value ||= localStorage.getItem("who") ?? "";
  form.why.value = "";
  $("act-why").hidden = false;
  dialog.showModal();
  (fields[0]?.querySelector("input, select") ?? (form.who.value ? form.why : form.who)).focus();
  return { dialog, form };
}

function field(label, name, attributes = {}) {
  const element = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { name, ...attributes });
  element.append(label + " ", input);
  return element;
}

function choice(label, name, options) {
  const element = document.createElement("label");
  const select = document.createElement("select");
  select.name = name;
  select.append(...options.map(([value, text]) => new Option(text, value)));
  element.append(label + " ", select);
  return element;
}

// allowed asks for the token if there is none, and reports whether there is one now.
async function allowed() {
  if (!token()) await enterToken();
  return token() !== "";
}

async function confirm(kind, target, rule) {
  if (!await allowed()) return;
  const fields = rule ? [
    field("At once", "workers", { type: "number", min: 1, max: 1000000, placeholder: rule.workers }),
    field("Held and waiting", "max_queue", { type: "number", min: 1, max: 1000000, placeholder: rule.max_queue }),
    choice("Mode", "shadow", [["", "unchanged"], ["true", "shadow: count refusals, refuse nothing"], ["false", "enforced"]]),
  ] : [];
  const { dialog, form } = ask(kinds[kind]({ target }), "The directive reaches all edges and coordinators within a second. The log has your name.", fields, kind === "clear");
  submit(dialog, form, async () => {
    const wish = { kind, target, who: form.who.value, why: form.why.value, hold: form.hold.value };
    if (form.workers?.value) wish.workers = Number(form.workers.value);
    if (form.max_queue?.value) wish.max_queue = Number(form.max_queue.value);
    if (form.shadow?.value) wish.shadow = form.shadow.value === "true";
    await send("POST", "api/v1/directives", wish);
  });
}

async function anyNetwork() {
  if (!await allowed()) return;
  const { dialog, form } = ask("Block or exempt a network", "The directive reaches all edges and coordinators within a second. The log has your name.", [
    choice("Directive", "kind", [["block", "block: serve nothing to this network"], ["exempt", "exempt: per-ip does not count this network"]]),
    field("Network", "target", { required: true, placeholder: "192.0.2.0/24 or 2001:db8::/48", autocomplete: "off" }),
  ], false);
  submit(dialog, form, () => send("POST", "api/v1/directives", { kind: form.kind.value, target: form.target.value, who: form.who.value, why: form.why.value, hold: form.hold.value }));
}

async function withdraw(d) {
  if (!await allowed()) return;
  const { dialog, form } = ask("Withdraw this directive", kinds[d.kind](d), [], true);
  form.why.value = "withdrawn"; // the server needs a reason, and a withdrawal has none
  $("act-why").hidden = true;
  submit(dialog, form, () => send("DELETE", `api/v1/directives/${encodeURIComponent(d.id)}?who=${encodeURIComponent(form.who.value)}`));
}

// submit runs the action of the dialog. After a failure the dialog stays open and shows the reason.
function submit(dialog, form, act) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    localStorage.setItem("who", form.who.value);
    const go = form.querySelector(".go");
    if (go.disabled) return;
    go.disabled = true; // a second click changes nothing
    try {
      await act();
      dialog.close();
      say("Done.");
    } catch (error) {
      $("act-error").textContent = error.message;
    } finally {
      go.disabled = false;
    }
  };
}

async function send(method, path, body) {
  const answer = await fetch(path, { method, headers: { "Content-Type": "application/json", Authorization: "Bearer " + token() }, body: body && JSON.stringify(body) });
  if (answer.status === 401) {
    sessionStorage.removeItem("token");
    showAccess();
    throw new Error("The token is wrong: close this dialog and enter the token again.");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim());
}

let quiet;
function say(text) {
  $("said").textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { $("said").textContent = ""; }, 4000);
}

function showAccess() {
  $("access").textContent = token() ? "Can act: forget the token" : "Read only: enter the token to act";
}

// enterToken asks for the token until it is right or the operator closes the dialog.
function enterToken() {
  const dialog = $("token"), form = dialog.querySelector("form");
  form.token.value = "";
  $("token-error").textContent = "";
  dialog.showModal();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const given = form.token.value.trim();
    const answer = await fetch("api/v1/access", { headers: { Authorization: "Bearer " + given } }).catch(() => null);
    if (!(await answer?.json())?.act) {
      $("token-error").textContent = "This is not the token: copy it from the file again.";
      return;
    }
    sessionStorage.setItem("token", given);
    dialog.close();
  };
  return new Promise((closed) => dialog.addEventListener("close", () => { showAccess(); closed(); }, { once: true }));
}

// listen shows each report, and opens the stream again after a refusal.
let last = 0;
function listen() {
  const stream = new EventSource("api/v1/throttles/stream");
  stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000); });
  stream.addEventListener("throttles", (event) => {
    const t = JSON.parse(event.data);
    last = Date.now();
    draw(t);
    $("link").className = "";
    $("link").textContent = `live; coordinator started ${new Date(t.started).toLocaleString()}`;
  });
}

function watch() {
  if (Date.now() - last < 4000) return;
  $("link").className = "lost";
  $("link").textContent = last ? `no report since ${new Date(last).toLocaleTimeString()}; trying again` : "no report yet; trying again";
}

for (const [name, text] of Object.entries(words)) {
  const dt = document.createElement("dt"), dd = document.createElement("dd");
  dt.id = "word-" + name.replaceAll(" ", "-");
  dt.textContent = name;
  dd.textContent = text;
  $("glossary").append(dt, dd);
}
document.querySelectorAll("[data-close]").forEach((button) => button.addEventListener("click", () => button.closest("dialog").close()));
$("access").addEventListener("click", () => { if (token()) { sessionStorage.removeItem("token"); showAccess(); } else enterToken(); });
$("new").addEventListener("click", anyNetwork);
showAccess();
loadHour().then(listen);
setInterval(loadHour, 30_000);
setInterval(watch, 1000);
