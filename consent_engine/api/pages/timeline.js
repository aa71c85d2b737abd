"use strict";
// What happened to an order, in people's words: its history, and its SMS as they were handed over.

const INSTANT = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/;
/** Of an entry's detail, what an agent needs; ops see all of it. */
const BRIEF = ["purpose", "reason", "seen", "status", "error", "old", "new"];
/** What only programs need. */
const UNTOLD = ["window", "edition", "known", "call", "may_have", "segments", "undelivered", "text"];
const KINDS = { keyword: "keyword.", which: "keyword.", rule: "rule.", status: "delivery.", how: "how.", purpose: "purpose.", outcome: "outcome.", door: "door.", role: "role." };
const YES_OR_NO = ["early", "clarified", "needs_code", "may_be_asked", "answered", "limited", "asked"];
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

const factOf = ([name, ...values]) =>
  make("span", { className: "fact" }, values.length ? word("order.named", { name }) : name, ...values.flatMap((each, n) => (n ? [" ", each] : [each])));

function timelineRow(at, kind, trigger, words, told) {
  return make("li", { className: kind, "data-trigger": trigger }, make("time", { dateTime: at }, dateAndClock(at)), words, make("span", { className: "more" }, ...told.map(factOf)));
}

/** Everything that happened, oldest first. beside: rows of what is no event of the order: {at, name, kind, facts} */
function showTimeline(list, order, brief = false, beside = []) {
  const own = order.timeline.map((entry, n) => ({ key: n, at: entry.at, entry }));
  const others = beside.map((row, n) => ({ key: `${row.name} ${n}`, at: row.at, row }));
  const rows = [...own, ...others].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  fit(list, rows, ({ key }) => key, ({ at, entry, row }) => {
    if (row) return timelineRow(at, row.kind, row.name.split(".").pop(), word(row.name), row.facts);
    const name = entry.trigger === "unclear" && entry.detail.rule === "ambiguous" ? "trigger.unclear_which" : `trigger.${entry.trigger}`;
    const words = word(name) + (entry.reply ? word("order.quoted", { text: entry.reply.text }) : "");
    return timelineRow(at, ALARMS.includes(entry.trigger) ? "alarm" : entry.stage ? "step" : "", entry.trigger, words, facts(entry, brief, order.id));
  });
}

/** What bars an order while a person must read a reply first. */
const HELD = ["suspected", "doubtful"];

/** What stands beside an order's state: what bars it now, and the end of its service. */
function showMarks(list, { barred, ending }) {
  const marks = barred.filter(({ kind }) => `bar.${kind}` in WORDS).map(({ kind }) => [kind, word(`bar.${kind}`), "failed"]);
  if (ending) marks.push(["ending", word(`ending.${ending.state}`), ending.ended_at ? "off" : "failed"]);
  fit(list, marks, ([key]) => key, () => make("span"), (mark, [, text, kind]) => {
    mark.className = `badge ${kind}`;
    say(mark, text);
  });
}

const THEIRS = ["said_yes", "said_no", "opted_out", "unclear", "replied_early", "replied_late", "replied_before", "replied_barred", "suspected", "asked_help"];

/** The SMS to and fro: ours as the gateway was handed them, the subscriber's where the reader may see them. */
function bubblesOf(order, lineSms = []) {
  const ofLine = lineSms.map(({ at, sms, waits, stuck }) => {
    const more = [word(`purpose.${sms.purpose}`), word("desk.segments", { n: sms.segments }), stuck ? word("notice.stuck") : waits ? word("notice.waits") : ""];
    return { ours: true, text: sms.text, soon: waits, at, who: `${word("desk.us")} ${sms.sender}`, more };
  });
  const ofOrder = order.timeline.flatMap((entry) => {
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
  return [...ofOrder, ...ofLine].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
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
