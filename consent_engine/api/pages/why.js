"use strict";
// Why something waits, in people's words; and an order by the end of its id.
const tail = (id) => id.slice(-6);
const orderLink = (id, text = tail(id)) => make("a", { href: `/orders/${id}`, className: "mono", title: id }, text);

/** Reasons as programs say them, and their words; what none of these fits is shown as it is. */
const WHYS = [
  [/^gateway answered (\S+) in other words$/, "why.gateway_odd"], [/^gateway answered (\S+) without a message_id$/, "why.gateway_odd"],
  [/^gateway answered (\S+)$/, "why.gateway"], [/^gateway answered (\S+): wrong USERNAME or PASSWORD$/, "why.gateway_account"], [/^gateway answered (\S+): no route$/, "why.gateway_no_route"],
  [/^gateway answered (\S+): URL is not its sendsms$/, "why.gateway_address"], [/^BSS answered (\S+) without an? (?:id|code)$/, "why.bss_odd"],
  [/^BSS answered (\S+)$/, "why.bss"], [/^asked: BSS answered (\S+)$/, "why.bss_asked"], [/^asked: unknown to the BSS$/, "why.bss_unknown"], [/^asked: (.+)$/, "why.bss_asked_for"],
  [/^no connection: (.+)$/, "why.no_connection"], [/^no connection in time$/, "why.no_connection_in_time"],
  [/^no answer in time$/, "why.no_answer"], [/^broken answer: (.+)$/, "why.broken_answer"], [/^lease lost$/, "why.lease_lost"],
  [/^in progress$/, "why.in_progress"], [/^its gateway (\S+) stands still$/, "why.gateway_stands"], [/^not wanted any more once its connection stood$/, "why.not_wanted"], [/^no BSS is set up$/, "why.no_bss"], [/^its record cannot be read$/, "why.unreadable"],
  [/^defect: (.+)$/, "why.defect"], [/^(\d+) of (\d+) parts not taken: (.+)$/, "why.parts"],
  [/^a text of (\d+) segments: the gateway carries (\d+)$/, "why.too_long"],
  [/^part (\d+) of (\d+): (.+)$/, "why.part"], [/^not delivered$/, "why.not_delivered"],
  [/^the code's time is over$/, "why.code_over"], [/^number denied by the gateway's lists$/, "why.denied"], [/^the number of its order is erased: .+$/, "why.number_erased"],
  [/^the archive does not take it: .+$/, "why.not_archived"], [/^a holder from a day to come$/, "why.holder_to_come"], [/^a subscriber asks again to end order \S+, whose ending was given up: .+$/, "why.asks_again"],
  [/^look-up: (.+)$/, "why.look_up"], [/^the BSS says that the number went to another holder or network$/, "why.changed_hands"],
  [/^the BSS says that the number's holder is a minor$/, "why.minor"],
  [/^plan revoked$/, "why.plan_revoked"], [/^refused$/, "why.refused"], [/^undecided$/, "why.undecided"],
  [/^refused \((.+)\) after an attempt that may have been taken$/, "why.refused_after_doubt"], [/^refused: (.+)$/, "why.refused_for"],
];

function why(text) {
  const often = /^(.*), (\d+) times$/.exec(text);
  if (often) return word(often[2] === "1" ? "why.once" : "why.times", { 1: why(often[1]), 2: often[2] });
  for (const [pattern, name] of WHYS) {
    const found = pattern.exec(text);
    if (found) return word(name, Object.fromEntries(found.slice(1).map((part, n) => [n + 1, n === found.length - 2 ? why(part) : part])));
  }
  return text;
}
