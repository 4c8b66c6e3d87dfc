// The actions that operators can take against what a report tells: package problems finds the problems.

import { give, withdraw } from "./actions.js";
import { clock, isNetwork, many, network, plain, rate, sum } from "./text.js";
import { networkOf, perClient } from "./throttles.js";

export const live = (t) => t.renderers.filter((r) => !r.draining).length;

// The words of the buttons, by the kind of the directive.
const texts = { block: "Block", limit: "Limit", exempt: "Exempt", clear: "Try again" };

// now says what the target of an action does at the moment.
function now(t, { kind, target, who }) {
  if (kind === "clear") {
    const f = t.failing.find((f) => f.original === target);
    return f ? `It failed ${many(f.failures, "time")}${f.again ? `, and edges refuse it until ${clock(f.again)}` : ""}.` : "";
  }
  const c = t.clients.find((c) => plain(c.name) === who);
  // The report's share is a mean over a minute, the rates are of ten seconds.
  return c ? `It asks for ${rate(c.asked_per_second)} renders/s now, and ${rate(c.refused_share * sum(Object.values(t.refusals_per_second)))}/s are refused.` : "";
}

// offer makes a button of an action {kind, target, why, id} against who.
export function offer(t, action) {
  const { kind, target, why, id, who } = action;
  if (id) return { text: "Undo", label: `Undo ${kind} ${target}`, act: () => withdraw(t.directives.find((d) => d.id === id)) };
  const rule = kind === "limit" ? t.rules.find((r) => r.name === target) ?? t.rules.find((r) => r.name === perClient()) : undefined;
  const label = `${texts[kind]} ${networkOf(target) || target}`;
  return { text: texts[kind], label, act: () => give(kind, target, { now: now(t, action), why, rule }) };
}

// forClient offers the actions against a client, or for it.
export function forClient(t, c) {
  const who = plain(c.name);
  if (!isNetwork(who)) return [];
  const all = [
    { kind: "block", target: network(who), why: `it ${c.takes}` },
    { kind: "limit", target: `${perClient()}:${network(who)}`, why: `it ${c.takes}` },
    { kind: "exempt", target: network(who) },
  ];
  return all.filter((a) => a.kind !== "limit" || network(who) === who).map((a) => offer(t, { ...a, who }));
}

export const forFailing = (t, f) => [offer(t, { kind: "clear", target: f.original, why: "it was uploaded anew" })];

// sentence writes a problem with the time until which its original is refused.
export const sentence = (p) => p.sentence + (p.refused_until ? ` Refused until ${clock(p.refused_until)}, then tried again.` : "");
