// The operators' page: it shows each report of the stream, and acts by directives.

const $ = (id) => document.getElementById(id);
const token = () => sessionStorage.getItem("token") ?? "";

// What outcomes, throttles and columns mean; every number links to its word.
const words = {
  "hit": "The thumbnail was stored already.",
  "rendered": "It was rendered for this request.",
  "shared": "Another edge rendered it; this request waited for that.",
  "nearest": "A throttle refused; another size of the same original was given (edge.nearest).",
  "original": "An object of the store was served as it is.",
  "preflight": "A browser asked whether another site's page may use a thumbnail (CORS).",
  "bad-method": "Thumbnails are read by GET and HEAD alone.",
  "redirected": "The URL was answered with a better one.",
  "client-left": "The client went away before it had its answer.",
  "bad-url": "The URL asks for something impossible.",
  "no-such-url": "The URL is of no known grammar.",
  "odd-size": "The size is none of the standard ones.",
  "forbidden": "The URL is unsigned, or signed wrongly.",
  "private": "A private container, asked without its secret.",
  "blocked": "A directive keeps the client's network out.",
  "absent": "The original does not exist.",
  "failing": "The original failed too often lately; see Failing originals.",
  "throttled": "per-ip, per-original or expensive refused; see Who is refused.",
  "lane-full": "More work waited than renderers can take on in time; see Lanes.",
  "no-renderer": "No renderer began the job in time.",
  "lost": "Renderers vanished under the job again and again.",
  "unsupported": "No engine reads this type.",
  "undecodable": "The original is damaged, or not what it says.",
  "too-large": "The original exceeds a bound on bytes or pixels.",
  "overran": "The render took longer than it may.",
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
  "failure": "The original failed too often; it is not tried for a while.",
  "local": "No coordinator answers, and the edge's own limit is reached.",
  "slots": "Renders that can run at once. Of the expensive and bulk lanes at most half of a renderer's slots.",
  "jobs queued": "Jobs of the lane that wait in NATS or are in renderers' hands.",
  "admitted": "Requests that hold a place of the lane's pool: their job is queued, runs, or is being stored.",
  "waiting": "Requests that stand in line at the coordinator for a place.",
  "use": "The share of its slots' time that a renderer spent on renders in the last second.",
  "workers killed": "Worker processes that ended under a render or at a limit (time, cpu, file, scratch, died), since the renderer's start.",
  "renderers wanted": "How many renderers, of the mean size of those that live, the requests of the last minutes would keep busy for 70 % of their time, refused requests included. It rises within about a minute and falls after five.",
  "lease": "The places in pools that one admitted request holds.",
  "shadow": "A throttle in shadow mode counts what it would refuse, and lets it through.",
  "directive": "What an operator decided for a time. It reaches all edges and coordinators, and outlives their restarts as long as one of them knows it.",
};

// word links a name to what it means.
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

// element makes one of a cell's description: text, a link, or buttons.
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

// fill brings a table's rows up to date. Rows and buttons that stay keep their elements, so that
// the focus and a screen reader's place stay too. A row is {key, cells}; a cell is text, a part,
// or {parts, mark}.
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

// tiles are numbers with their last hour. The series are summed.
const tiles = [
  { id: "requests", title: "requests a second", href: "#requests", series: (n) => n.startsWith("request "), now: (t) => rate(sum(Object.values(t.requests_per_second))) },
  { id: "rendered", title: "renders a second", href: "#requests", series: (n) => n === "request rendered", now: (t) => rate(t.requests_per_second.rendered ?? 0) },
  { id: "refused", title: "refusals a second", href: "#refusals", series: (n) => n.startsWith("refuse "), now: (t) => rate(sum(Object.values(t.refusals_per_second))) },
  { id: "waiting", title: "requests in line", href: "#pools", series: (n) => n === "waiting", now: (t) => count(sum(t.lanes.map((l) => l.waiting))) },
  { id: "queued", title: "jobs queued", href: "#lanes", series: (n) => n.startsWith("depth "), now: (t) => count(sum(t.lanes.map((l) => l.depth))) },
  { id: "busy", title: "slots busy", href: "#renderers", series: (n) => n === "busy", now: (t) => `${sum(t.renderers.map((r) => r.busy))} of ${sum(t.renderers.map((r) => r.slots))}` },
  { id: "live", title: "renderers that live, and wanted", href: "#renderers", series: (n) => n === "slots", now: (t) => `${t.renderers.length}, ${t.renderers_wanted}` },
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
  const width = 360 / Math.max(30, length - 1); // of a point; the first five minutes fill no more than they are
  svg.firstChild.setAttribute("points", values.map((v, i) => `${360 - width * (length - 1 - i)},${38 - 36 * v / most}`).join(" "));
  svg.setAttribute("aria-label", length ? `the last ${span(length * hour.step * 1000)}: at most ${rate(most)}` : "no history yet");
}

async function loadHour() {
  const answer = await fetch("api/v1/throttles/history").catch(() => null);
  if (answer?.ok) Object.assign(hour, await answer.json());
}

// behind: its jobs are old, or it refuses while all its places are taken.
const behind = (t, l) => l.age_ms > 2000 || (t.refusals_per_second.lane ?? 0) > 0 && l.waiting > 0 && l.running >= l.limit;

// some are the first names of a list.
const some = (names) => names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");

// A refusal names the class of the pool that refused, or the pool of a lane.
const throttleOf = (by) => ({ ip: "per-ip", original: "per-original" })[by] ?? by?.split(":")[0] ?? "";
const laneOf = (by) => by?.startsWith("lane:") ? by.slice("lane:".length) : "";

// why a throttle refuses. Edges refuse what is paused; for want of renderers the coordinator does, who
// knows whom.
function why(t, throttle, refusedBy) {
  if (throttle !== "lane") return words[throttle] ?? "";
  const paused = t.lanes.filter((l) => l.paused).map((l) => l.name);
  const reasons = [];
  if (refusedBy.length || !paused.length) reasons.push("All renderers are busy.");
  if (paused.length) reasons.push(`Operators paused ${some(paused)}.`);
  return reasons.join(" ");
}

// attention says in sentences what an operator would find by reading everything.
function attention(t) {
  const all = [];
  const say = (mark, text, href) => all.push({ mark, text, href });
  const live = t.renderers.filter((r) => !r.draining).length;
  if (!t.edges.some((e) => e.connected)) say("bad", "No edge is connected to this coordinator.", "#edges");
  if (t.edges.some((e) => e.connected) && !live) say("bad", "No renderer takes jobs: nothing new can be rendered.", "#renderers");
  const refused = Object.entries(t.refusals_per_second).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  for (const [throttle, n] of refused) {
    const list = throttle === "per-original" ? t.busiest.refused_originals : t.busiest.refused_clients;
    const refusedBy = list.filter((b) => throttleOf(b.by) === throttle);
    const where = throttle === "lane" ? some([...new Set(refusedBy.map((b) => laneOf(b.by)))].sort()) : "";
    say("warn", `${throttle}${where && ` (${where})`} refuses ${rate(n)} a second${refusedBy.length ? `, most of all ${plain(refusedBy[0].name)}` : ""}: ${why(t, throttle, refusedBy)}`, "#refusals");
  }
  for (const l of t.lanes) {
    if (l.paused) say("warn", `The lane ${l.name} is paused.`, "#lanes");
    const signs = [];
    if (l.waiting) signs.push(`${count(l.waiting)} requests wait for one of its ${count(l.limit)} places`);
    if (l.age_ms > 2000) signs.push(`its oldest job is ${span(l.age_ms)} old`);
    if (behind(t, l)) say("warn", `The lane ${l.name} is behind${signs.length ? ": " : ""}${signs.join(", ")}.`, "#lanes");
  }
  if (t.renderers_wanted > live && live) say("warn", `${live} ${live === 1 ? "renderer takes" : "renderers take"} jobs, ${t.renderers_wanted} would be right for what came in the last minutes, refused requests included.`, "#renderers");
  for (const r of t.renderers) if (r.draining) say("warn", `${r.renderer} drains${r.ordered ? ": an operator wants it" : ""}.`, "#renderers");
  if (t.failing.length) say("warn", `${t.failing.length} ${t.failing.length === 1 ? "original fails" : "originals fail"}: ${some(t.failing.map((f) => `${f.original} (${f.fault})`))}.`, "#failing");
  for (const e of t.edges) {
    for (const [name, state] of Object.entries(e.status?.breakers ?? {})) {
      if (state !== "closed") say("bad", `${e.name}: the breaker of ${name} is ${state}.`, "#edges");
    }
    if (e.connected && e.status && !e.status.coordinator) say("bad", `${e.name} has no coordinator that answers.`, "#edges");
  }
  const asked = new Set(t.edges.filter((e) => e.connected && e.status?.coordinator).map((e) => e.status.coordinator));
  if (asked.size > 1) say("bad", `Edges ask different coordinators (${[...asked].join(", ")}): limits hold for each of them alone.`, "#edges");
  // Lanes differ while each edge learns how fast they are.
  for (const r of t.rules) if (r.differing && !r.name.startsWith("lane:")) say("warn", `Edges have different limits for ${r.name}; the lowest holds.`, "#rules");
  if (!all.length) say("good", "Nothing: no throttle refuses, no lane is behind, nothing fails.", "#now");
  return all;
}

function drawAttention(t) {
  const all = attention(t);
  const shape = JSON.stringify(all.map((a) => [a.mark, a.href, a.text.replace(/[\d.,<]+( ms| s| min)?/g, "")])); // numbers alone are no news
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

// The sentences of directives, as operators confirm and read them.
const kinds = {
  block: (d) => `Keep ${d.target} out: nothing is served to it`,
  exempt: (d) => `Let per-ip not count ${d.target}`,
  limit: (d) => `Other limits for ${d.target}` + (d.workers ? `, ${d.workers} at once` : "") + (d.max_queue ? `, ${d.max_queue} with those who wait` : "") + (d.shadow === true ? ", shadow mode" : d.shadow === false ? ", enforced" : ""),
  pause: (d) => `Pause the lane ${d.target}: what is admitted is finished, nothing new is rendered`,
  drain: (d) => `Let ${d.target} take no new jobs`,
  clear: (d) => `Forget the failures of ${d.target}, so that it is tried again`,
};

const offer = (text, kind, target, fields) => ({ text, label: `${text} ${target}`, act: () => confirm(kind, target, fields) });
const network = (client) => client.replace(/^exempt /, "");
const isNetwork = (client) => /^[0-9a-f.:/]+$/i.test(network(client)) && /[.:]/.test(client);
const forClient = (name) => ({ parts: isNetwork(name) ? [offer("Block", "block", network(name)), offer("Exempt", "exempt", network(name))] : [] });

// longest is how many clients or originals a list shows; the report has more.
const longest = 10;

// versions are those of the libraries and tools by which renderers draw.
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
  return all.length ? `They draw by ${all.join("; ")}.` : "";
}

function draw(t) {
  drawAttention(t);
  drawTiles(t);
  fill("throttles", Object.entries(t.refusals_per_second).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
    .map(([name, n]) => ({ key: name, cells: [word(name), rate(n), words[name] ?? ""] })), "No throttle refused anything in the last ten seconds.");
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
  $("wanted").replaceChildren(element(word("renderers wanted", `${t.renderers_wanted} would be right`)), ` for what came in the last minutes, refused requests included; ${live} ${live === 1 ? "takes" : "take"} jobs.`);
  $("versions").textContent = versions(t.renderers);
  fill("renderers", t.renderers.map((r) => ({ key: r.renderer, cells: [
    r.renderer, count(r.busy), count(r.slots), word("use", `${Math.round(100 * r.utilisation)} %`), count(r.in_hand), r.engine_version,
    Object.entries(r.kills ?? {}).map(([reason, n]) => `${reason} ${n}`).join(", ") || "none", r.build,
    r.draining ? { parts: [{ text: r.ordered ? "drains (directive)" : "stops" }], mark: "warn" } : "takes jobs",
    { parts: r.draining ? [] : [offer("Drain", "drain", r.renderer)] }] })), "No renderer was heard of.");
  fill("failing", t.failing.map((f) => ({ key: [f.original, f.page, f.thumbnail, f.fault, f.engine, f.message].join(" "), cells: [
    f.original + (f.page ? `, page ${f.page}` : "") + (f.thumbnail ? ` (${f.thumbnail})` : ""), count(f.failures), word(f.fault), f.message, f.engine,
    new Date(f.last).toLocaleTimeString(), { parts: [offer("Forget", "clear", f.original)] }] })), "No original fails.");
  fill("pools", t.pools.map((p) => ({ key: p.key, cells: [
    plain(p.key) + (p.shadow ? " (shadow)" : ""), count(p.holders), { parts: [{ text: count(p.waiters) }], mark: p.waiters ? "warn" : "" },
    p.limit ? count(p.limit) : "–", p.max_queue ? count(p.max_queue) : "–", p.oldest_wait_ms ? span(p.oldest_wait_ms) : "–"] })), "Nobody holds or waits.");
  $("pools-more").textContent = t.pools_omitted ? `and ${count(t.pools_omitted)} more` : "";
  fill("rules", t.rules.map((r) => ({ key: r.name, cells: [
    r.name, count(r.workers), count(r.max_queue), { parts: [word("shadow", (r.shadow ? "shadow" : "enforced") + (r.directed ? ", by a directive" : ""))], mark: r.directed ? "warn" : "" },
    Object.entries(r.differing ?? {}).map(([edge, d]) => `${edge}: ${d.workers}, ${d.max_queue}`).join("; "),
    { parts: [offer("Change", "limit", r.name, r)] }] })), "No edge has told its rules yet.");
  fill("requests", Object.entries(t.requests_per_second).sort((a, b) => b[1] - a[1])
    .map(([name, n]) => ({ key: name, cells: [word(name), rate(n), words[name] ?? ""] })), "No request yet.");
  fill("edges", t.edges.map((e) => ({ key: e.name, cells: [
    e.name + (e.connected ? "" : " (disconnected)"), e.status?.coordinator || { parts: [{ text: "none answers" }], mark: "bad" }, word("lease", count(e.leases)), count(e.waiting),
    Object.entries(e.status?.breakers ?? {}).filter(([, s]) => s !== "closed").map(([n, s]) => `${n} ${s}`).join(", ") || "none", e.status?.version ?? ""] })), "No edge is connected.");
  fill("directives", t.directives.map((d) => ({ key: d.id, cells: [
    word("directive", d.kind), kinds[d.kind](d), span(d.left_ms), d.who, d.why, { parts: [{ text: "Withdraw", label: `Withdraw ${d.kind} ${d.target}`, act: () => withdraw(d) }] }] })), "None holds.");
}

// ask lets an operator confirm, and gives what was entered, or null.
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

// allowed has the token asked for first, where there is none.
async function allowed() {
  if (!token()) await enterToken();
  return token() !== "";
}

async function confirm(kind, target, rule) {
  if (!await allowed()) return;
  const fields = rule ? [
    field("At once", "workers", { type: "number", min: 1, max: 1000000, placeholder: rule.workers }),
    field("With those who wait", "max_queue", { type: "number", min: 1, max: 1000000, placeholder: rule.max_queue }),
    choice("Mode", "shadow", [["", "as it is"], ["true", "shadow: count, and let through"], ["false", "enforced"]]),
  ] : [];
  const { dialog, form } = ask(kinds[kind]({ target }), "It reaches all edges and coordinators in a second, and is logged with your name.", fields, kind === "clear");
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
  const { dialog, form } = ask("Block or exempt a network", "It reaches all edges and coordinators in a second, and is logged with your name.", [
    choice("What to do", "kind", [["block", "keep it out: nothing is served to it"], ["exempt", "let per-ip not count it"]]),
    field("Network", "target", { required: true, placeholder: "192.0.2.0/24 or 2001:db8::/48", autocomplete: "off" }),
  ], false);
  submit(dialog, form, () => send("POST", "api/v1/directives", { kind: form.kind.value, target: form.target.value, who: form.who.value, why: form.why.value, hold: form.hold.value }));
}

async function withdraw(d) {
  if (!await allowed()) return;
  const { dialog, form } = ask("Withdraw this directive", kinds[d.kind](d), [], true);
  form.why.value = "withdrawn"; // of which nobody is asked
  $("act-why").hidden = true;
  submit(dialog, form, () => send("DELETE", `api/v1/directives/${encodeURIComponent(d.id)}?who=${encodeURIComponent(form.who.value)}`));
}

// submit does what the dialog is for, and keeps it open with the reason when that fails.
function submit(dialog, form, act) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    localStorage.setItem("who", form.who.value);
    const go = form.querySelector(".go");
    if (go.disabled) return;
    go.disabled = true; // once is enough
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
    throw new Error("The token is not the right one: close this, and enter it again.");
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
  $("access").textContent = token() ? "Acting: forget the token" : "Read only: enter the token to act";
}

// enterToken asks for the token until it is right, or the operator gives up.
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
      $("token-error").textContent = "That is not the token.";
      return;
    }
    sessionStorage.setItem("token", given);
    dialog.close();
  };
  return new Promise((closed) => dialog.addEventListener("close", () => { showAccess(); closed(); }, { once: true }));
}

// listen shows each report, and begins again when the stream was refused.
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
  $("link").textContent = last ? `no news since ${new Date(last).toLocaleTimeString()}; trying again` : "no answer yet; trying again";
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
