// The throttles' table, as the coordinator has it: their order, their meanings, and what an operator can change.

import { words } from "./words.js";

export const throttles = [];

// loadThrottles reads the table once, and reports whether it is there.
export async function loadThrottles() {
  if (throttles.length) return true;
  const answer = await fetch("api/v1/throttles/table").catch(() => null);
  if (!answer?.ok || throttles.length) return throttles.length > 0;
  throttles.push(...await answer.json());
  for (const t of throttles) words[t.name] = t.meaning;
  for (const [outcome, of] of Map.groupBy(throttles, (t) => t.outcome)) words[outcome] ??= `One of these throttles refused: ${of.map((t) => t.name).join(", ")}. See Throttles.`;
  return true;
}

// perClient is the name of the throttle that counts each client.
export const perClient = () => throttles.find((t) => t.of_client)?.name ?? "";

// A rule is a throttle, or one of its variants, such as "lane:standard" or "per-ip:192.0.2.0/24".
export const ofRule = (rule = "") => {
  const end = rule.indexOf(":");
  return end < 0 ? [rule] : [rule.slice(0, end), rule.slice(end + 1)];
};

// networkOf returns the network of a rule for the clients of a network, or "".
export const networkOf = (rule) => {
  const [throttle, variant = ""] = ofRule(rule);
  return throttle === perClient() ? variant : "";
};
