// /ops, lists that are read in pieces, newest first; calls with violations, and reports that nobody has decided.
import { byId, call, dateAndClock, every, firstShown, fit, make, say, sayAsOf, word, wrong } from "./common.js";

const LISTED_EVERY_S = 15;
const A_PAGE = 20;
const FRESH = 200; // so long a list is read again and again; a longer one is only continued
const A_STEP = 100;
const MOST_PIECES = 50; // of one look: a piece may be short or empty and still not be the last

/** A list that is read in pieces, without end. ask: (cursor, limit) => answer · of: the rows of an answer's body
 * @param {Ask} ask
 * @param {RowsOf} of
 * @param {Show} show */
export function endless(ask, of, show) {
  /** @type {any[]} */
  let rows = [];
  let cursor = "";
  let turn = 0;
  let busy = false;
  /**
   * @param {string} from
   * @param {number} least */
  async function read(from, least) {
    turn += 1;
    const mine = turn;
    const found = from ? [...rows] : [];
    let next = from;
    /** @type {Answer<any> | null} */
    let first = null;
    let answer;
    busy = true;
    for (let n = 0; n < MOST_PIECES && (n === 0 || (next && found.length < least)); n += 1) {
      answer = await ask(next, Math.min(A_STEP, least - found.length));
      if (mine !== turn) return;
      if (!answer.ok) break;
      first ??= answer;
      found.push(...of(answer.body));
      next = answer.body.cursor;
    }
    busy = false;
    if (!answer) return;
    if (answer.ok) [rows, cursor] = [found, next];
    show((answer.ok && !from && first) || answer, rows, cursor);
  }
  return {
    again: () => (busy || rows.length > FRESH ? null : read("", Math.max(A_PAGE, rows.length))),
    more: () => read(cursor, rows.length + A_STEP),
    anew: () => {
      rows = [];
      return read("", A_PAGE);
    },
  };
}

/** @param {any[]} rows */
export const shownOf = (rows) => (rows.length > A_PAGE ? word(rows.length > FRESH ? "list.shown_still" : "list.shown", { n: rows.length }) : "");

/** A table that is looked up again and again: the newest rows, and more on request.
 * @template {{ id: string }} T
 * @param {"violations" | "reports"} name
 * @param {string} path
 * @param {string} inside
 * @param {(each: T) => HTMLElement} create
 * @param {(row: any, each: T) => void} update */
function tableOf(name, path, inside, create, update) {
  const list = endless(
    (cursor, limit) => call("GET", `${path}&limit=${limit}&cursor=${cursor}`),
    (body) => body[inside],
    (answer, rows, cursor) => {
      byId(`${name}-wrong`).hidden = answer.ok;
      say(byId(`${name}-wrong`), answer.ok ? "" : wrong(answer));
      if (!answer.ok) return;
      byId(`no-${name}`).hidden = rows.length > 0;
      byId(`${name}-region`).hidden = rows.length === 0;
      byId(`more-${name}`).hidden = cursor === "";
      say(byId(`shown-${name}`), shownOf(rows));
      fit(byId(name), rows, (each) => each.id, create, update);
      sayAsOf(byId(name), answer.body);
    },
  );
  byId(`more-${name}`).addEventListener("click", list.more);
  firstShown.then(() => every(LISTED_EVERY_S, list.again));
}

tableOf(
  "violations",
  "/v1/calls?violation=true",
  "calls",
  (/** @type {Api.CallView} */ each) =>
    make(
      "tr",
      {},
      make("td", { className: "when" }, dateAndClock(each.started_at)),
      make("td", { className: "why" }),
      make("td", { className: "mono when" }, each.to),
      make("td", { className: "when" }, each.agent),
      make("td", { className: "when" }, word(`carrier.${each.carrier}`)),
      make("td", { className: "n", "data-label": word("ops.refused_orders") }),
    ),
  (row, each) => {
    say(
      row.children[1],
      each.violations.map((code) => word(`violation.${code}`) + (code === "unofficial_number" ? ` ${each.from}` : "")).join(word("ops.between")),
    );
    say(row.children[5], String(each.refused_orders.length));
  },
);

tableOf(
  "reports",
  "/v1/reports?state=open",
  "reports",
  (/** @type {Api.ReportView} */ each) =>
    make(
      "tr",
      {},
      make("td", { className: "mono when" }, make("a", { href: `/reports#${each.id}` }, each.number)),
      make("td", { className: "when" }, dateAndClock(each.received_at)),
      make("td", { className: "when" }, word(`report_door.${each.channel}`)),
      make("td", { className: "why" }),
      make("td", { className: "mono when" }, each.msisdn),
      make("td", { className: "mono when", "data-label": word("ops.shown_number") }, each.caller_number),
      make("td", { className: "when", "data-label": word("ops.answer_by") }),
      make("td", { className: "when", "data-label": word("ops.reward") }, word(`reward.${each.reward}`)),
    ),
  (row, each) => {
    const why = each.reasons.map((code) => word(`because.${code}`)).join(word("ops.between"));
    say(row.children[3], `${word(`report_class.${each.class}`)}${word("ops.because")}${why}`);
    say(row.children[6], `${dateAndClock(each.due.answer_by)}${each.overdue ? ` ${word("ops.overdue")}` : ""}`);
  },
);
