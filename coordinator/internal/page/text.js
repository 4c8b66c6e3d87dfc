// Numbers, times and names as people read them.

export const plain = (key) => { try { return decodeURIComponent(key.replaceAll("+", " ")); } catch { return key; } };
export const rate = (n) => n === 0 ? "0" : n < 0.1 ? "<0.1" : n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString("en");
export const count = (n) => n.toLocaleString("en");
export const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
export const percent = (share) => `${Math.round(100 * share)} %`;
export const many = (n, one, more = one + "s") => `${count(n)} ${n === 1 ? one : more}`;

// span writes a number of milliseconds.
export function span(ms) {
  if (ms === 0) return "0";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 90) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${Math.round(s / 86400)} days`;
}

const two = (n) => String(n).padStart(2, "0");

// minute writes the time of day.
export const minute = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

export const second = (time) => { const at = new Date(time); return `${clock(time)}:${two(at.getSeconds())}`; };

// clock writes a moment: the time of today, or the date too.
export function clock(time) {
  const at = new Date(time);
  const today = at.toDateString() === new Date().toDateString();
  return (today ? "" : at.toLocaleDateString("en", { day: "numeric", month: "short" }) + " ") + minute(at);
}

// network returns a client's address or network; exempt clients have a mark before it.
export const network = (client) => client.replace(/^exempt /, "");
export const isNetwork = (client) => /^[0-9a-f.:/]+$/i.test(network(client)) && /[.:]/.test(client);
