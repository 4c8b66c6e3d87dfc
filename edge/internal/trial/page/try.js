// The page on which developers try URLs. It asks the edge through this listener, so that it can read an answer's bytes.
const $ = (id) => document.getElementById(id);
const form = $("options").elements;
const token = () => sessionStorage.getItem("token") ?? "";
const picture = (path) => "picture" + path;
let crop = null; // in pixels of the original
let original = null; // its width and height
let round = 0; // answers of earlier rounds come too late

// links returns the URLs of options in each language, signed if the page has the token.
async function links(options) {
  const text = JSON.stringify(options);
  const answer = token()
    ? await fetch("urls", { method: "POST", body: text, headers: { Authorization: "Bearer " + token() } })
    : await fetch("urls?options=" + encodeURIComponent(text));
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function get(options) {
  const all = await links(options);
  const began = performance.now();
  const answer = await fetch(picture(all[0].path), { cache: "no-store" });
  const body = await answer.blob();
  return { all, answer, body, ms: performance.now() - began };
}

function filters() {
  const all = [];
  if (form.format.value) all.push(`format(${form.format.value})`);
  if (form.quality.value) all.push(`quality(${form.quality.value})`);
  // A filter ends at its closing bracket: its arguments can have colons.
  all.push(...(form.filters.value.match(/[a-z_]+\([^()]*(?:\([^()]*\)[^()]*)*\)/g) ?? []));
  return all;
}

function options() {
  const o = { image: form.image.value.trim(), filters: filters(), fit: form.fit.value, smart: form.smart.checked };
  o.width = Number(form.width.value) || 0;
  o.height = Number(form.height.value) || 0;
  if (crop) o.crop = crop;
  return o;
}

const bytes = (n) => n < 10000 ? `${n} bytes` : `${Math.round(n / 1000).toLocaleString("en")} kB`;

async function show() {
  const mine = ++round;
  const o = options();
  if (!o.image) return;
  $("facts").textContent = "Rendering…";
  try {
    const got = await get(o);
    if (mine !== round) return;
    list(got.all);
    if (!got.answer.ok) throw new Error(await got.body.text());
    $("wrong").textContent = "";
    await present(got, mine);
  } catch (error) {
    if (mine !== round) return;
    $("facts").textContent = "";
    $("wrong").textContent = error.message;
    $("result").hidden = $("text").hidden = true;
  }
}

async function present({ answer, body, ms }, mine) {
  const kind = answer.headers.get("Content-Type") ?? "";
  const skipped = answer.headers.get("Thumbmill-Skipped-Filters");
  const facts = [kind, bytes(body.size), `${Math.round(ms)} ms`];
  const pictured = kind.startsWith("image/");
  if (pictured) {
    await draw($("result"), body);
    facts.unshift(`${$("result").naturalWidth} × ${$("result").naturalHeight}`);
  } else {
    $("text").textContent = kind.includes("json") ? JSON.stringify(JSON.parse(await body.text()), null, 2) : "";
  }
  if (mine !== round) return;
  $("result").hidden = !pictured;
  $("text").hidden = pictured;
  $("facts").textContent = facts.join(" · ");
  if (skipped) $("wrong").textContent = "Skipped filters: " + skipped;
}

// draw shows a blob, and frees the one before.
async function draw(img, blob) {
  const before = img.src;
  img.src = URL.createObjectURL(blob);
  await img.decode();
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
}

function list(all) {
  $("urls").replaceChildren(...all.flatMap(({ language, url, reason }) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = language;
    if (!url) {
      text.className = "none";
      text.textContent = reason;
      return [term, text];
    }
    const link = Object.assign(document.createElement("a"), { href: url, textContent: url, target: "_blank", rel: "noreferrer" });
    const copy = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
    copy.setAttribute("aria-label", "Copy the URL in the language of " + language);
    copy.onclick = () => navigator.clipboard.writeText(url);
    text.append(link, copy);
    return [term, text];
  }));
}

// choose shows another original, whole.
async function choose() {
  setCrop(null);
  original = null;
  const image = form.image.value.trim(), chosen = () => image === form.image.value.trim();
  if (!image) return;
  try {
    const about = await get({ image, meta: true });
    const source = about.answer.ok ? JSON.parse(await about.body.text()).thumbor.source : null;
    if (!chosen()) return; // the answer comes too late
    original = source;
    const small = await get({ image, width: 800, height: 800, fit: "fit-in" });
    if (small.answer.ok && chosen()) await draw($("preview"), small.body);
  } catch { /* show says what is wrong */ }
  await show();
}

function setCrop(to) {
  crop = to;
  $("crop").hidden = $("uncrop").hidden = !to;
  $("crop-text").textContent = to ? `Cropped to ${to.Right - to.Left} × ${to.Bottom - to.Top} pixels of the original.` : "Drag over the picture to crop it.";
}

// The corner at which a drag began, in pixels of the preview.
let began = null;

const clamp = (v, most) => Math.min(Math.max(v, 0), most);

function at(event) {
  const box = $("preview").getBoundingClientRect();
  return { x: clamp(event.clientX - box.left, box.width), y: clamp(event.clientY - box.top, box.height) };
}

$("original").onpointerdown = (event) => {
  if (!original) return;
  began = at(event);
  $("original").setPointerCapture(event.pointerId);
};

$("original").onpointermove = (event) => {
  if (!began) return;
  const now = at(event), style = $("crop").style;
  const left = Math.min(began.x, now.x), top = Math.min(began.y, now.y);
  const width = Math.abs(now.x - began.x), height = Math.abs(now.y - began.y);
  if (width < 4 || height < 4) return;
  Object.assign(style, { left: left + "px", top: top + "px", width: width + "px", height: height + "px" });
  const scale = original.width / $("preview").clientWidth;
  const pixel = (v) => Math.round(v * scale);
  setCrop({ Left: pixel(left), Top: pixel(top), Right: pixel(left + width), Bottom: pixel(top + height) });
};

$("original").onpointerup = () => {
  if (began) show();
  began = null;
};

$("uncrop").onclick = () => { setCrop(null); show(); };

let timer = 0;
$("options").oninput = (event) => {
  if (event.target.name === "file") return;
  clearTimeout(timer);
  timer = setTimeout(event.target.name === "image" ? choose : show, 400);
};
$("options").onsubmit = (event) => event.preventDefault();

form.file.onchange = async () => {
  const file = form.file.files[0];
  if (!file) return;
  if (!token()) {
    $("wrong").textContent = "An upload needs the operators' token: enter it at the top.";
    return;
  }
  const answer = await fetch("uploads?name=" + encodeURIComponent(file.name), { method: "POST", body: file, headers: { Authorization: "Bearer " + token() } });
  if (!answer.ok) {
    $("wrong").textContent = await answer.text();
    return;
  }
  form.image.value = (await answer.json()).name;
  await choose();
};

// checkToken says whether the token is right, and drops a wrong one.
async function checkToken() {
  const answer = token() ? await fetch("../api/v1/access", { headers: { Authorization: "Bearer " + token() } }) : null;
  const acts = answer?.ok && (await answer.json()).act;
  if (token() && !acts) sessionStorage.removeItem("token");
  $("access").textContent = acts ? "URLs are signed." : answer ? "The token is wrong. URLs are unsigned." : "URLs are unsigned.";
}

$("token").onsubmit = async (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", event.target.token.value.trim());
  event.target.token.value = "";
  await checkToken();
  await choose();
};

const state = await (await fetch("state")).json();
$("originals").append(...state.originals.map((name) => new Option(name, name)));
form.format.append(...state.formats.map((name) => new Option(name, name)));
$("upload").hidden = !state.most_upload;
form.image.value = new URLSearchParams(location.search).get("image") ?? state.originals[0] ?? "";
await checkToken();
await choose();
