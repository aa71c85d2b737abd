"use strict";
// What happened to an order, in people's words: its history, its SMS as they were handed over, and why something waits.

/** Reasons as programs say them, and their words; what none of these fits is shown as it is. */
const WHYS = [
  [/^gateway answered (\S+) in other words$/, "why.gateway_odd"], [/^gateway answered (\S+) without a message_id$/, "why.gateway_odd"],
  [/^gateway answered (\S+)$/, "why.gateway"], [/^BSS answered (\S+) without an? (?:activation_id|code)$/, "why.bss_odd"],
  [/^BSS answered (\S+)$/, "why.bss"], [/^asked: BSS answered (\S+)$/, "why.bss_asked"], [/^asked: unknown to the BSS$/, "why.bss_unknown"],
  [/^no connection: (.+)$/, "why.no_connection"], [/^no connection in time$/, "why.no_connection_in_time"],
  [/^no answer in time$/, "why.no_answer"], [/^broken answer: (.+)$/, "why.broken_answer"], [/^lease lost$/, "why.lease_lost"],
  [/^in progress$/, "why.in_progress"], [/^its gateway stands still$/, "why.gateway_stands"], [/^no BSS is set up$/, "why.no_bss"], [/^its record cannot be read$/, "why.unreadable"],
  [/^defect: (.+)$/, "why.defect"], [/^(\d+) of (\d+) parts not taken: (.+)$/, "why.parts"],
  [/^a text of (\d+) segments: the gateway carries (\d+)$/, "why.too_long"],
  [/^part (\d+) of (\d+): (.+)$/, "why.part"], [/^not delivered$/, "why.not_delivered"],
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

const INSTANT = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/;
/** Of an entry's detail, what an agent needs; ops see all of it. */
const BRIEF = ["purpose", "reason", "status", "error", "old", "new"];
/** What only programs need. */
const UNTOLD = ["window", "edition", "known", "call", "may_have", "segments", "undelivered", "text"];
const KINDS = { keyword: "keyword.", which: "keyword.", rule: "rule.", status: "delivery.", how: "how.", purpose: "purpose.", outcome: "outcome.", door: "door.", role: "role." };
const YES_OR_NO = ["early", "clarified", "needs_code", "may_be_asked", "answered", "limited", "asked"];
const tail = (id) => id.slice(-6);
const orderLink = (id, text = tail(id)) => make("a", { href: `/orders/${id}`, className: "mono", title: id }, text);
const effectWord = (effect) => {
  const [kind, purpose] = effect.split(".");
  if (kind === "sms") return word(`purpose.${purpose}`);
  if (kind === "deactivate") return word("effect.deactivate");
  return word(kind === "wake" ? `wake.${purpose}` : `lane.${kind === "activate" ? "activation" : "inbound"}`);
};

/** A fact of an entry: its name and its value, in words. */
function fact(name, value, entry) {
  if (YES_OR_NO.includes(name)) return [word(`detail.${name}`)];
  let text = String(value);
  if (KINDS[name]) text = word(`${KINDS[name]}${value}`);
  else if (name === "seen") text = word(`seen.${value.rule}`, value);
  else if (name === "candidates") return [word("detail.candidates"), ...value.map((id) => orderLink(id))];
  else if (name === "old" || name === "new") return [word(`detail.${name}`), orderLink(value)];
  else if (name === "effect") text = effectWord(value);
  else if (name === "effects") text = value.map(effectWord).join(word("ops.between"));
  else if (name === "segment") text = word("order.part", { n: value, of: entry.detail.segments ?? 1 });
  else if (name === "reason") text = `reason.${value}` in WORDS ? word(`reason.${value}`) : why(text);
  else if (name === "error") text = why(text);
  else if (Array.isArray(value)) text = value.join(word("ops.between"));
  else if (INSTANT.test(text)) text = dateAndClock(text);
  return [word(`detail.${name}`), text];
}

/** What would say nothing: what is as always, or stands beside it in other words. */
function isPlain(name, value, { detail }, id) {
  if (name === "attempts") return value === 1;
  if (name === "segment") return detail.segments === 1;
  if (name === "purpose") return "effect" in detail;
  if (name === "started") return value === detail.last;
  return name === "candidates" && value.every((each) => each === id);
}

function facts(entry, brief, id) {
  const shown = Object.entries(entry.detail).filter(([name, value]) => value !== "" && value !== 0 && value !== null && String(value) !== "" && !UNTOLD.includes(name) && !isPlain(name, value, entry, id));
  if (!brief) {
    const by = `by.${entry.by}` in WORDS ? word(`by.${entry.by}`) : entry.by;
    const ref = entry.trigger === "placed" ? "recording" : "ref";
    return [by && [word("detail.by"), by], ...shown.map(([name, value]) => fact(name, value, entry)), entry.ref && [word(`detail.${ref}`), entry.ref]].filter(Boolean);
  }
  return shown.filter(([name]) => BRIEF.includes(name)).map(([name, value]) => fact(name, value, entry).slice(-1));
}

/** Everything that happened, oldest first. */
function showTimeline(list, order, brief = false) {
  fit(list, order.timeline, (_, n) => n, (entry) => {
    const words = word(`trigger.${entry.trigger}`) + (entry.reply ? word("order.quoted", { text: entry.reply.text }) : "");
    const kind = ALARMS.includes(entry.trigger) ? "alarm" : entry.stage ? "step" : "";
    const at = make("time", { dateTime: entry.at }, dateAndClock(entry.at));
    const more = facts(entry, brief, order.id).map(([name, ...values]) =>
      make("span", { className: "fact" }, values.length ? word("order.named", { name }) : name, ...values.flatMap((each, n) => (n ? [" ", each] : [each]))));
    return make("li", { className: kind, "data-trigger": entry.trigger }, at, words, make("span", { className: "more" }, ...more));
  });
}

const THEIRS = ["said_yes", "said_no", "opted_out", "unclear", "replied_early", "replied_late", "replied_before", "replied_barred", "suspected", "asked_help"];

/** The SMS to and fro: ours as the gateway was handed them, the subscriber's where the reader may see them. */
function bubblesOf(order) {
  return order.timeline.flatMap((entry) => {
    if (entry.sms) {
      const more = [word(`purpose.${entry.sms.purpose}`), word("desk.segments", { n: entry.sms.segments }), entry.sms.delivered ? word("desk.delivered") : ""];
      return [{ ours: true, text: entry.sms.text, erased: !entry.sms.text, at: entry.at, who: `${word("desk.us")} ${entry.sms.sender}`, more }];
    }
    if (entry.reply) return [{ ours: false, text: entry.reply.text, at: entry.at, who: word("desk.subscriber"), more: [] }];
    if (THEIRS.includes(entry.trigger) && entry.detail.keyword) {
      return [{ ours: false, hidden: true, text: word(byId("reveal") ? "order.masked_yet" : "order.masked"), at: entry.at, who: word("desk.subscriber"), more: [] }];
    }
    return [];
  });
}

function showBubbles(list, rows) {
  fit(list, rows, (row, n) => `${n}:${row.at}`,
    () => make("li", {}, make("span", { className: "text", dir: "auto" }), make("small")),
    (item, row) => {
      item.className = `${row.hidden || row.erased || row.soon ? "notice " : ""}${row.ours ? "ours" : "theirs"}`; // words that were revealed are no notice any more
      say(item.querySelector(".text"), row.erased ? word("order.erased") : row.text);
      say(item.querySelector("small"), [row.who, clock(row.at), ...row.more].filter(Boolean).join(" · "));
    });
}
