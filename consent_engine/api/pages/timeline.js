// What happened to an order, in people's words: its history, and its SMS as they were handed over.
import { ALARMS, clock, dateAndClock, fit, isWord, make, orderLink, say, why, word } from "./common.js";

/** Of an entry's detail, what an agent needs; the page of an order tells all of it. */
export const BRIEF = ["purpose", "reason", "seen", "status", "error", "old", "new"];
/** @type {Record<string, string>} */
const KINDS = { status: "delivery.", purpose: "purpose." };

/** The value of such a fact, in words.
 * @param {string} name
 * @param {any} value */
export function briefValue(name, value) {
  if (KINDS[name]) return word(/** @type {Word} */ (`${KINDS[name]}${value}`));
  if (name === "seen") return word(`seen.${value.rule}`, value);
  if (name === "old" || name === "new") return orderLink(value);
  return name === "reason" && isWord(`reason.${value}`) ? word(`reason.${value}`) : why(String(value));
}

/** What is told of an entry: what is empty says nothing, nor does the SMS beside the effect that sent it.
 * @param {Api.TimelineEntry} entry */
export const detailOf = ({ detail }) =>
  Object.entries(detail).filter(([name, value]) => value !== 0 && value !== null && String(value) !== "" && !(name === "purpose" && "effect" in detail));
/** @param {Api.TimelineEntry} entry */
const briefFacts = (entry) =>
  detailOf(entry)
    .filter(([name]) => BRIEF.includes(name))
    .map(([name, value]) => [briefValue(name, value)]);

/** @param {Told} fact */
const factOf = ([name, ...values]) =>
  make("span", { className: "fact" }, values.length ? word("order.named", { name }) : name, ...values.flatMap((each, n) => (n ? [" ", each] : [each])));

/**
 * @param {string} at
 * @param {string} kind
 * @param {string} trigger
 * @param {string} words
 * @param {Told[]} told */
function timelineRow(at, kind, trigger, words, told) {
  return make(
    "li",
    { className: kind, "data-trigger": trigger },
    make("time", { dateTime: at }, dateAndClock(at)),
    words,
    make("span", { className: "more" }, ...told.map(factOf)),
  );
}

/** Everything that happened, oldest first. beside: rows of what is no event of the order: {at, name, kind, facts}
 * @param {Element} list
 * @param {Api.OrderView} order
 * @param {(entry:Api.TimelineEntry, id:string) => Told[]} factsOf
 * @param {Row[]} beside */
export function showTimeline(list, order, factsOf = briefFacts, beside = []) {
  const own = order.timeline.map((entry, n) => ({ key: `${n}`, at: entry.at, entry, row: null }));
  const others = beside.map((row, n) => ({ key: `${row.name} ${n}`, at: row.at, row, entry: order.timeline[0] }));
  const rows = [...own, ...others].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  fit(
    list,
    rows,
    ({ key }) => key,
    ({ at, entry, row }) => {
      if (row) return timelineRow(at, row.kind, row.name.split(".").pop() ?? "", word(row.name), row.facts);
      /** @type {Word} */
      const name = entry.trigger === "unclear" && entry.detail.rule === "ambiguous" ? "trigger.unclear_which" : `trigger.${entry.trigger}`;
      const words = word(name) + (entry.reply ? word("order.quoted", { text: entry.reply.text }) : "");
      return timelineRow(at, ALARMS.includes(entry.trigger) ? "alarm" : entry.stage ? "step" : "", entry.trigger, words, factsOf(entry, order.id));
    },
  );
}

/** What bars an order while a person must read a reply first. */
export const HELD = ["suspected", "doubtful"];

/** What stands beside an order's state: what bars it now, and the end of its service.
 * @param {Element} list
 * @param {Beside} beside */
export function showMarks(list, { barred, ending }) {
  const marks = barred.filter(({ kind }) => isWord(`bar.${kind}`)).map(({ kind }) => [kind, word(`bar.${kind}`), "failed"]);
  if (ending) marks.push(["ending", word(`ending.${ending.state}`), ending.ended_at ? "off" : "failed"]);
  fit(
    list,
    marks,
    ([key]) => key,
    () => make("span"),
    (mark, [, text, kind]) => {
      mark.className = `badge ${kind}`;
      say(mark, text);
    },
  );
}

const THEIRS = ["said_yes", "said_no", "opted_out", "unclear", "replied_early", "replied_late", "replied_before", "replied_barred", "suspected", "asked_help"];

/** The SMS to and fro: ours as the gateway was handed them, the subscriber's where the reader may see them.
 * @param {Api.OrderView} order
 * @param {LineSms[]} lineSms */
export function bubblesOf(order, lineSms = []) {
  /** @type {Bubble[]} */
  const ofLine = lineSms.map(({ at, sms, waits, stuck }) => {
    const more = [word(`purpose.${sms.purpose}`), word("desk.segments", { n: sms.segments }), stuck ? word("notice.stuck") : waits ? word("notice.waits") : ""];
    return { ours: true, text: sms.text, soon: waits, at, who: `${word("desk.us")} ${sms.sender}`, more };
  });
  const ofOrder = order.timeline.flatMap(
    /** @returns {Bubble[]} */ (entry) => {
      if (entry.sms) {
        const more = [
          word(`purpose.${entry.sms.purpose}`),
          word("desk.segments", { n: entry.sms.segments }),
          entry.sms.delivered ? word("desk.delivered") : "",
        ];
        return [{ ours: true, text: entry.sms.text, erased: !entry.sms.text, at: entry.at, who: `${word("desk.us")} ${entry.sms.sender}`, more }];
      }
      if (entry.reply) return [{ ours: false, text: entry.reply.text, at: entry.at, who: word("desk.subscriber"), more: [] }];
      if (THEIRS.includes(entry.trigger) && entry.detail.keyword) {
        return [
          {
            ours: false,
            hidden: true,
            text: word(document.getElementById("reveal") ? "order.masked_yet" : "order.masked"),
            at: entry.at,
            who: word("desk.subscriber"),
            more: [],
          },
        ];
      }
      return [];
    },
  );
  return [...ofOrder, ...ofLine].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

/**
 * @param {Element} list
 * @param {Bubble[]} rows */
export function showBubbles(list, rows) {
  fit(
    list,
    rows,
    (row, n) => `${n}:${row.at}`,
    () => make("li", {}, make("span", { className: "text", dir: "auto" }), make("small")),
    (item, row) => {
      item.className = `${row.hidden || row.erased || row.soon ? "notice " : ""}${row.ours ? "ours" : "theirs"}`; // words that were revealed are no notice any more
      say(item.querySelector(".text"), row.erased ? word("order.erased") : row.text);
      say(item.querySelector("small"), [row.who, clock(row.at), ...row.more].filter(Boolean).join(" · "));
    },
  );
}
