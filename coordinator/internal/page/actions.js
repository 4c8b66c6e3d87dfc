// Actions of operators: directives, their withdrawal, and the token that allows them. An action asks
// once, says what will happen to whom, and can be undone.

import { networkOf, perClient } from "./throttles.js";

const $ = (id) => document.getElementById(id);
const token = () => sessionStorage.getItem("token") ?? "";

// The effects of directives, as operators confirm and read them.
export const effects = {
  block: (d) => `Refuse everything to ${d.target} with 403, stored thumbnails too`,
  exempt: (d) => `Let ${perClient()} not count ${d.target}`,
  limit: (d) => `Change the limits of ${networkOf(d.target) ? `each client in ${networkOf(d.target)}` : d.target}` + (d.workers ? `, ${d.workers} at once` : "") + (d.max_queue ? `, ${d.max_queue} held and waiting` : "") + (d.shadow === true ? ", shadow mode" : d.shadow === false ? ", enforced" : ""),
  pause: (d) => `Pause the lane ${d.target}: finish admitted requests, render nothing new`,
  drain: (d) => `Drain ${d.target}: it finishes its jobs and gets no new ones`,
  clear: (d) => `Forget the failures of ${d.target}: the next request tries it again`,
};

// afterwards is called after each act, so that the page reads the audit list again.
let afterwards = () => {};
export const onAct = (act) => { afterwards = act; };

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

// ask opens the dialog in which an operator confirms, and returns it with its form.
function ask({ title, text, fields = [], timeless = false, why = "" }) {
  const dialog = $("act"), form = dialog.querySelector("form");
  $("act-title").textContent = title;
  $("act-text").textContent = text;
  $("act-error").textContent = "";
  $("act-fields").replaceChildren(...fields);
  $("act-hold").hidden = timeless;
  $("act-why").hidden = false;
  form.who.value ||= localStorage.getItem("who") ?? "";
  form.why.value = why;
  dialog.showModal();
  (fields[0]?.querySelector("input, select") ?? (form.who.value ? why ? form.querySelector(".go") : form.why : form.who)).focus();
  return { dialog, form };
}

async function allowed() {
  if (!token()) await enterToken();
  return token() !== "";
}

const reach = "It reaches all edges and coordinators within a second, and ends by itself. The audit list and the log have your name.";

// give asks for a directive. more has now (what the target does at the moment), why (a proposed reason)
// and rule (limits that can change).
export async function give(kind, target, { now = "", why = "", rule } = {}) {
  if (!await allowed()) return;
  const fields = rule ? [
    field("At once", "workers", { type: "number", min: 1, max: 1000000, placeholder: rule.workers }),
    field("Held and waiting", "max_queue", { type: "number", min: 1, max: 1000000, placeholder: rule.max_queue }),
    choice("Mode", "shadow", [["", "unchanged"], ["true", "shadow: count refusals, refuse nothing"], ["false", "enforced"]]),
  ] : [];
  const title = effects[kind]({ target });
  const undo = kind === "clear" ? "It cannot be undone." : "You can undo it.";
  const { dialog, form } = ask({ title, text: [now, reach, undo].filter(Boolean).join(" "), fields, timeless: kind === "clear", why });
  submit(dialog, form, async () => {
    const wish = { kind, target, who: form.who.value, why: form.why.value, hold: form.hold.value };
    if (form.workers?.value) wish.workers = Number(form.workers.value);
    if (form.max_queue?.value) wish.max_queue = Number(form.max_queue.value);
    if (form.shadow?.value) wish.shadow = form.shadow.value === "true";
    return send("POST", "api/v1/directives", wish);
  });
}

// anyNetwork asks for a network to block or exempt.
export async function anyNetwork() {
  if (!await allowed()) return;
  const { dialog, form } = ask({ title: "Block or exempt a network", text: reach, fields: [
    choice("Directive", "kind", [["block", "block: refuse everything to this network"], ["exempt", `exempt: ${perClient()} does not count this network`]]),
    field("Network", "target", { required: true, placeholder: "192.0.2.0/24 or 2001:db8::/48", autocomplete: "off" }),
  ] });
  submit(dialog, form, () => send("POST", "api/v1/directives", { kind: form.kind.value, target: form.target.value, who: form.who.value, why: form.why.value, hold: form.hold.value }));
}

// withdraw asks to end a directive early.
export async function withdraw(d) {
  if (!await allowed()) return;
  const { dialog, form } = ask({ title: "End this directive now", text: effects[d.kind](d), timeless: true, why: "withdrawn" });
  $("act-why").hidden = true; // a withdrawal has no reason
  submit(dialog, form, async () => { await end(d, form.who.value); return null; });
}

const end = (d, who) => send("DELETE", `api/v1/directives/${encodeURIComponent(d.id)}?who=${encodeURIComponent(who)}`);

// submit runs the action of the dialog. After a failure the dialog stays open and shows the reason.
function submit(dialog, form, act) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    localStorage.setItem("who", form.who.value);
    const go = form.querySelector(".go");
    if (go.disabled) return;
    go.disabled = true; // a second click changes nothing
    try {
      const given = await act();
      dialog.close();
      say("Done.", given && given.kind !== "clear" ? { text: "Undo", act: () => end(given, form.who.value) } : null);
      afterwards();
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
  return answer.json();
}

// say shows a short message, and for a while a button that undoes.
let quiet;
function say(text, undo) {
  $("said-text").textContent = text;
  $("undo").hidden = !undo;
  $("said").hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => { $("said").hidden = true; }, undo ? 30_000 : 4000);
  $("undo").onclick = async () => {
    try {
      await undo.act();
      say("Undone.");
    } catch (error) {
      say(error.message);
    }
    afterwards();
  };
}

function showAccess() {
  $("access").textContent = token() ? "Can act" : "Read only";
  $("access").setAttribute("aria-label", token() ? "Can act: forget the token" : "Read only: enter the token to act");
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

// start makes the buttons work.
export function start() {
  document.querySelectorAll("[data-close]").forEach((button) => button.addEventListener("click", () => button.closest("dialog").close()));
  $("access").addEventListener("click", () => { if (token()) { sessionStorage.removeItem("token"); showAccess(); } else enterToken(); });
  $("new").addEventListener("click", anyNetwork);
  showAccess();
}
