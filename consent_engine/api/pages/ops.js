// /ops: the board refreshes itself; what has the focus, and where the page was scrolled to, stays.

import { lagOf, showTrouble } from "./causes.js";
import { BROKEN, byId, call, clock, dateAndClock, every, FAILED, fit, isShown, make, SETTLED, say, sayAsOf, sayCells, span, word } from "./common.js";
import { listAgain } from "./find.js";
import { pauseButton, showPaused } from "./pauses.js";
import "./flow.js";
import "./held.js";
import "./violations.js";

const EVERY_S = 3;

/** @param {Board} board */
function showFunnel(board) {
  sayAsOf(byId("funnel"), board.funnel ? board : {});
  if (!board.funnel) return say(byId("funnel-since"), word("ops.no_sql"));
  const total = Object.values(board.funnel).reduce((sum, n) => sum + n, 0);
  const told = { n: total, at: dateAndClock(board.since).slice(0, 16) };
  say(byId("funnel-since"), total ? word("ops.since", told) : word("ops.none_today"));
  const most = Math.max(1, ...Object.values(board.funnel), ...Object.values(board.day_before));
  /** @param {string} state */
  const kind = (state) => (BROKEN.includes(state) ? "failed" : FAILED.includes(state) ? "off" : SETTLED.includes(state) ? "done" : "");
  const there = Object.entries(board.funnel).filter(([state, n]) => n || board.day_before[state]);
  fit(
    byId("funnel"),
    there,
    ([state]) => state,
    ([state]) =>
      make(
        "tr",
        { className: kind(state) },
        make("th", { scope: "row" }, make("a", { href: `/ops?state=${state}` }, word(`state.${state}`))),
        make("td", { className: "n" }),
        make("td", { className: "n" }),
        make("td", { className: "n muted" }),
        make("td", {}, make("div", { className: "bar" }), make("div", { className: "bar before" })),
      ),
    (row, [state, n]) => {
      const before = board.day_before[state] ?? 0;
      say(row.children[1], String(n));
      say(row.children[2], total ? `${((100 * n) / total).toFixed(n && 10 * n < total ? 1 : 0)}%` : "–");
      say(row.children[3], String(before));
      row.querySelector(".bar").style.width = `${(100 * n) / most}%`;
      row.querySelector(".before").style.width = `${(100 * before) / most}%`;
    },
  );
}

/** What a worker says of itself, in the page's words.
 * @param {WorkerRow} worker */
function workerTold({ lanes: served, in_flight: flying, troubles }) {
  const lanes = served.map((lane) => word(`lane.${lane}`)).join(word("ops.between"));
  return word(flying || troubles ? "ops.worker_behind" : "ops.worker", { lanes, flying, troubles });
}

/** @param {Board} board */
function showLanes(board) {
  fit(
    byId("lanes"),
    board.lanes,
    (lane) => lane.lane,
    (lane) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, word(`lane.${lane.lane}`)),
        ...Array.from({ length: 4 }, () => make("td", { className: "n" })),
        make("td", { className: "n" }, pauseButton("lane", lane.lane)),
      ),
    (row, lane) => {
      const oldest = lane.due ? word("span.s", { n: (lane.late_ms / 1000).toFixed(1) }) : "–";
      sayCells(row, [lane.due, oldest, lane.waiting - lane.parked, lane.parked].map(String));
      row.children[2].classList.toggle("bad", lane.late_ms > 10000);
      row.children[4].classList.toggle("bad", lane.parked > 0);
    },
  );
  fit(
    byId("workers"),
    board.workers,
    (worker) => worker.name,
    () => make("li", {}, make("span", { className: "mono" }), " ", make("span", { className: "muted" })),
    (item, worker) => {
      say(item.children[0], worker.name);
      say(item.children[1], workerTold(worker));
    },
  );
  say(byId("scribe"), board.as_of ? word("ops.scribe", { n: (lagOf(board) / 1000).toFixed(1) }) : word("ops.scribe_unknown"));
  byId("scribe").classList.toggle("bad", lagOf(board) > 10000);
  const defects = Object.entries(board.defects)
    .map(([name, n]) => `${name} ${n}`)
    .join(word("ops.between"));
  byId("defects").hidden = !defects;
  say(byId("defects"), word("ops.defects", { told: defects }));
}

/** @param {Board} board */
function showOutside(board) {
  fit(
    byId("outside"),
    board.outside,
    (each) => `${each.to}:${each.name}`,
    (each) =>
      make(
        "li",
        {},
        make("span", { className: "mono" }),
        " ",
        make("span", { className: "muted" }),
        " ",
        each.to === "gateway" ? pauseButton("gateway", each.name) : "",
      ),
    (item, each) => {
      const told = {
        at: each.last_success ? dateAndClock(each.last_success) : word("ops.outside_never"),
        share: `${Math.round(100 * each.failed_share)}%`,
        for: each.failing_ms < 120000 ? word("span.s", { n: Math.round(each.failing_ms / 1000) }) : span(each.failing_ms),
      };
      const fine = each.last_success ? "ops.outside_fine" : "ops.outside_never";
      const failing = each.failed_share > 0.2;
      say(item.children[0], each.to === "bss" ? `BSS ${each.name}` : each.name);
      const rate = each.rate ? word(each.rate !== each.most ? "ops.outside_throttled" : "ops.outside_rate", each) : "";
      const now = each.has.length < each.may.length ? word("ops.outside_has", { of: each.has.map((of) => word(`carrier.${of}`)).join(" ") || "–" }) : "";
      const state = each.refusing ? "ops.outside_refusing" : each.down ? "ops.outside_down" : failing ? "ops.outside_share" : fine;
      say(item.children[1], word(state, told) + rate + now);
      item.children[1].className = each.down || failing ? "bad" : "muted";
    },
  );
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

document.addEventListener("acted", refresh);
every(EVERY_S, refresh).then(isShown);
