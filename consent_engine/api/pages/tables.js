// Lists that are read in pieces, newest first.
import { byName, say, sayAsOf, word, wrong } from "./common.js";

const A_PAGE = 20;
const FRESH = 200; // so long a list is read again and again; a longer one is only continued
const A_STEP = 100;
const A_PIECE = 500; // the server's largest
const MOST_PIECES = 50; // of one look: a piece may be short or empty and still not be the last

/** A list that is read in pieces, without end. What came before a piece that failed stays.
 * ask: (cursor, limit, isWaitedFor) => answer; it is not, where a list is read again by itself · of: the rows of its body
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
   * @param {number} least
   * @param {boolean} isWaitedFor */
  async function read(from, least, isWaitedFor = true) {
    turn += 1;
    const mine = turn;
    const found = from ? [...rows] : [];
    let next = from;
    /** @type {Answer<any> | null} */
    let first = null;
    let answer;
    busy = true;
    for (let n = 0; n < MOST_PIECES && (n === 0 || (next && found.length < least)); n += 1) {
      answer = await ask(next, Math.min(A_PIECE, least - found.length), isWaitedFor);
      if (mine !== turn) return;
      if (!answer.ok) break;
      first ??= answer;
      found.push(...of(answer.body));
      next = answer.body.cursor;
    }
    busy = false;
    if (!answer) return;
    if (answer.ok || from) [rows, cursor] = [found, next];
    show((answer.ok && !from && first) || answer, rows, cursor);
  }
  const reread = (isWaitedFor = true) => read("", Math.max(A_PAGE, rows.length), isWaitedFor);
  return {
    reread: () => reread(),
    again: () => (busy || rows.length > FRESH ? null : reread(false)),
    more: () => read(cursor, rows.length + Math.max(A_STEP, rows.length)),
    anew: () => {
      rows = [];
      return read("", A_PAGE);
    },
  };
}

/** Say around a list how much of it is shown, and what went wrong.
 * @param {string} name
 * @param {Answer<any>} answer
 * @param {any[]} rows
 * @param {string} cursor */
export function sayRead(name, answer, rows, cursor) {
  byName(`${name}-wrong`).hidden = answer.ok;
  say(byName(`${name}-wrong`), answer.ok ? "" : wrong(answer));
  byName(`no-${name}`).hidden = rows.length > 0 || !answer.ok;
  byName(`${name}-region`).hidden = rows.length === 0;
  byName(`more-${name}`).hidden = !cursor;
  say(byName(`shown-${name}`), rows.length > A_PAGE ? word(rows.length > FRESH ? "list.shown_still" : "list.shown", { n: rows.length }) : "");
  if (answer.ok) sayAsOf(byName(name), answer.body);
}
