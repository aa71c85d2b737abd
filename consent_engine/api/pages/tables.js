// /ops, lists that are read in pieces, newest first; calls with violations, and how many reports nobody has decided.
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
    more: () => read(cursor, rows.length + Math.max(A_STEP, rows.length)),
    anew: () => {
      rows = [];
      return read("", A_PAGE);
    },
  };
}

/** @param {any[]} rows */
export const shownOf = (rows) => (rows.length > A_PAGE ? word(rows.length > FRESH ? "list.shown_still" : "list.shown", { n: rows.length }) : "");

/** @param {Api.CallView} each */
const rowOf = (each) =>
  make(
    "tr",
    {},
    make("td", { className: "when" }, dateAndClock(each.started_at)),
    make("td", { className: "why" }),
    make("td", { className: "mono when" }, each.to),
    make("td", { className: "when" }, each.agent),
    make("td", { className: "when" }, word(`carrier.${each.carrier}`)),
    make("td", { className: "n", "data-label": word("ops.refused_orders") }),
  );

/** @param {Api.CallView} each */
const violationsOf = (each) =>
  each.violations.map((code) => word(`violation.${code}`) + (code === "unofficial_number" ? ` ${each.from}` : "")).join(word("ops.between"));

const violations = endless(
  (cursor, limit) => call("GET", `/v1/calls?violation=true&limit=${limit}&cursor=${cursor}`),
  (body) => body.calls,
  (answer, rows, cursor) => {
    byId("violations-wrong").hidden = answer.ok;
    say(byId("violations-wrong"), answer.ok ? "" : wrong(answer));
    if (!answer.ok) return;
    byId("no-violations").hidden = rows.length > 0;
    byId("violations-region").hidden = rows.length === 0;
    byId("more-violations").hidden = cursor === "";
    say(byId("shown-violations"), shownOf(rows));
    fit(
      byId("violations"),
      rows,
      (each) => each.id,
      rowOf,
      (row, each) => {
        say(row.children[1], violationsOf(each));
        say(row.children[5], String(each.refused_orders.length));
      },
    );
    sayAsOf(byId("violations"), answer.body);
  },
);
byId("more-violations").addEventListener("click", violations.more);

/** How many reports wait: they are decided on a page of their own. */
async function sayReports() {
  const { ok, body } = await call("GET", "/reports/due?wait=false");
  if (!ok) return;
  byId("reports-wait").hidden = body.open === 0;
  say(byId("reports-told"), word("reported.open", { n: body.open, late: body.overdue }));
  byId("reports-told").classList.toggle("bad", body.overdue > 0);
}

firstShown.then(() => {
  every(LISTED_EVERY_S, violations.again);
  every(LISTED_EVERY_S, sayReports);
});
