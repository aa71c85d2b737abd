"use strict";
// /ops: the board refreshes itself; what has the focus, and where the page was scrolled to, stays.
const EVERY_S = 3;
const LISTED_EVERY_S = 15;
const A_PAGE = 20;
const FRESH = 200; // so long a list is read again and again; a longer one is only continued
const A_STEP = 100;
const MOST_PIECES = 50; // of one look: a piece may be short or empty and still not be the last

function showFunnel(board) {
  sayAsOf(byId("funnel"), board.funnel ? board : {});
  if (!board.funnel) return say(byId("funnel-since"), word("ops.no_sql"));
  const total = Object.values(board.funnel).reduce((sum, n) => sum + n, 0);
  const told = { n: total, at: dateAndClock(board.since).slice(0, 16) };
  say(byId("funnel-since"), total ? word("ops.since", told) : word("ops.none_today"));
  const most = Math.max(1, ...Object.values(board.funnel), ...Object.values(board.day_before));
  const kind = (state) => (BROKEN.includes(state) ? "failed" : FAILED.includes(state) ? "off" : SETTLED.includes(state) ? "done" : "");
  const there = Object.entries(board.funnel).filter(([state, n]) => n || board.day_before[state]);
  fit(byId("funnel"), there, ([state]) => state,
    ([state]) => make("tr", { className: kind(state) }, make("th", { scope: "row" }, make("a", { href: `/ops?state=${state}` }, word(`state.${state}`))),
      make("td", { className: "n" }), make("td", { className: "n" }), make("td", { className: "n muted" }), make("td", {}, make("div", { className: "bar" }), make("div", { className: "bar before" }))),
    (row, [state, n]) => {
      const before = board.day_before[state] ?? 0;
      say(row.children[1], String(n));
      say(row.children[2], total ? `${((100 * n) / total).toFixed(n && 10 * n < total ? 1 : 0)}%` : "–");
      say(row.children[3], String(before));
      row.querySelector(".bar").style.width = `${(100 * n) / most}%`;
      row.querySelector(".before").style.width = `${(100 * before) / most}%`;
    });
}

/** How far SQL is behind, in ms: the scribe's lag; NaN where it is not known. */
const lagOf = (board) => Date.parse(board.at) - Date.parse(board.as_of);

/** What a worker says of itself, in the page's words. */
function workerTold({ lanes: served, in_flight: flying, troubles }) {
  const lanes = served.map((lane) => word(`lane.${lane}`)).join(word("ops.between"));
  return word(flying || troubles ? "ops.worker_behind" : "ops.worker", { lanes, flying, troubles });
}

function showLanes(board) {
  fit(byId("lanes"), board.lanes, (lane) => lane.lane,
    (lane) => make("tr", {}, make("th", { scope: "row" }, word(`lane.${lane.lane}`)),
      ...Array.from({ length: 4 }, () => make("td", { className: "n" })), make("td", { className: "n" }, pauseButton("lane", lane.lane))),
    (row, lane) => {
      const oldest = lane.due ? word("span.s", { n: (lane.late_ms / 1000).toFixed(1) }) : "–";
      [lane.due, oldest, lane.waiting - lane.parked, lane.parked].forEach((n, i) => say(row.children[i + 1], String(n)));
      row.children[2].classList.toggle("bad", lane.late_ms > 10000);
      row.children[4].classList.toggle("bad", lane.parked > 0);
    });
  fit(byId("workers"), board.workers, (worker) => worker.name,
    () => make("li", {}, make("span", { className: "mono" }), " ", make("span", { className: "muted" })),
    (item, worker) => {
      say(item.children[0], worker.name);
      say(item.children[1], workerTold(worker));
    });
  say(byId("scribe"), board.as_of ? word("ops.scribe", { n: (lagOf(board) / 1000).toFixed(1) }) : word("ops.scribe_unknown"));
  byId("scribe").classList.toggle("bad", lagOf(board) > 10000);
  const defects = Object.entries(board.defects).map(([name, n]) => `${name} ${n}`).join(word("ops.between"));
  byId("defects").hidden = !defects;
  say(byId("defects"), word("ops.defects", { told: defects }));
}

function showOutside(board) {
  fit(byId("outside"), board.outside, (each) => `${each.to}:${each.name}`,
    (each) => make("li", {}, make("span", { className: "mono" }), " ", make("span", { className: "muted" }), " ", each.to === "gateway" ? pauseButton("gateway", each.name) : ""),
    (item, each) => {
      const told = { at: each.last_success ? dateAndClock(each.last_success) : word("ops.outside_never"),
        share: `${Math.round(100 * each.failed_share)}%`, for: each.failing_ms < 120000 ? word("span.s", { n: Math.round(each.failing_ms / 1000) }) : span(each.failing_ms) };
      const fine = each.last_success ? "ops.outside_fine" : "ops.outside_never";
      const failing = each.failed_share > 0.2;
      say(item.children[0], each.to === "bss" ? `BSS ${each.name}` : each.name);
      say(item.children[1], word(each.refusing ? "ops.outside_refusing" : each.down ? "ops.outside_down" : failing ? "ops.outside_share" : fine, told));
      item.children[1].className = each.down || failing ? "bad" : "muted";
    });
}

async function refresh() {
  const listed = listAgain(); // beside the board, not after it
  const answer = await call("GET", "/ops/board");
  byId("fresh").classList.toggle("bad", !answer.ok);
  if (!answer.ok) return say(byId("fresh"), word("ops.away"));
  say(byId("fresh"), word("ops.live", { s: EVERY_S, at: clock(answer.body.at) }));
  showFunnel(answer.body);
  showLanes(answer.body);
  showOutside(answer.body);
  showPaused(answer.body);
  showTrouble(answer.body);
  await listed;
}

/** A list that is read in pieces, without end. ask: (cursor, limit) => answer · of: the rows of an answer's body */
function endless(ask, of, show) {
  let rows = [];
  let cursor = "";
  let turn = 0;
  let busy = false;
  async function read(from, least) {
    const mine = (turn += 1);
    const found = from ? [...rows] : [];
    let [next, answer, first] = [from, null, null];
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
    if (answer.ok) [rows, cursor] = [found, next];
    show(answer.ok && !from ? first : answer, rows, cursor);
  }
  return {
    again: () => (busy || rows.length > FRESH ? null : read("", Math.max(A_PAGE, rows.length))),
    more: () => read(cursor, rows.length + A_STEP),
    anew: () => ((rows = []), read("", A_PAGE)),
  };
}

const shownOf = (rows) => (rows.length > A_PAGE ? word(rows.length > FRESH ? "list.shown_still" : "list.shown", { n: rows.length }) : "");

/** A table that is looked up again and again: the newest rows, and more on request. */
function tableOf(name, path, inside, create, update) {
  const list = endless((cursor, limit) => call("GET", `${path}&limit=${limit}&cursor=${cursor}`), (body) => body[inside], (answer, rows, cursor) => {
    byId(`${name}-wrong`).hidden = answer.ok;
    say(byId(`${name}-wrong`), answer.ok ? "" : wrong(answer));
    if (!answer.ok) return;
    byId(`no-${name}`).hidden = rows.length > 0;
    byId(`${name}-region`).hidden = rows.length === 0;
    byId(`more-${name}`).hidden = cursor === "";
    say(byId(`shown-${name}`), shownOf(rows));
    fit(byId(name), rows, (each) => each.id, create, update);
    sayAsOf(byId(name), answer.body);
  });
  byId(`more-${name}`).addEventListener("click", list.more);
  firstShown.then(() => every(LISTED_EVERY_S, list.again));
}

// Board and list, once all scripts are read.
firstShown = firstShown.then(() => every(EVERY_S, refresh));
