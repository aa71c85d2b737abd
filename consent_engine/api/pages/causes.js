// /ops, what is wrong now, by its cause.
import { announce, byId, call, dateAndClock, fit, isWord, make, orderLink, PAGE, say, sayCells, span, why, word, wrong, wrongField } from "./common.js";
import { acted, askWhy, stands } from "./pauses.js";

const MOST_AT_ONCE = 500;
const LATE_MS = 10000;
const FEW = 5; // so few stuck effects are shown one by one at once
const mayRetry = ["ops", "admin"].includes(PAGE.role);
const RECORDS = /** @type {const} */ ({ l: "line", c: "call", e: "ending", r: "report" }); // records beside orders, by the letter of their owner
let wasStuck = false;

/** Why a page does not show a plan: what it lacks is named as on the tariff pages.
 * @param {string} reason
 * @returns {string} */
function pageWhy(reason) {
  const [code, ...rest] = reason.split(":");
  if (code === "its_json") return word("why.its_json", { 1: pageWhy(rest.join(":")) });
  return code === "lacks"
    ? word("why.lacks", {
        1: rest[0]
          .split(",")
          .map((name) => word(`tariffs.${name}`))
          .join(word("ops.between")),
      })
    : why(reason);
}

/** A line for each plan and channel.
 * @param {Board} board */
function unshown(board) {
  const lines = board.unshown.map((each) => {
    const facts = {
      plan: each.plan,
      channel: word(`tariffs.${each.channel}`),
      why: pageWhy(each.why),
      at: dateAndClock(each.since),
      until: each.sold_until ? dateAndClock(each.sold_until) : "",
    };
    return { key: `plan ${each.plan} ${each.channel}`, text: word(each.sold_until ? "ops.plan_unseen" : "ops.plan_unshown", facts) };
  });
  return board.more_unshown ? [...lines, { key: "plans", text: word("ops.more_unshown", { n: board.more_unshown }) }] : lines;
}

/** How far SQL is behind, in ms: the scribe's lag; NaN where it is not known.
 * @param {Board} board */
export const lagOf = (board) => Date.parse(board.at) - Date.parse(board.as_of ?? "");

/** What nobody need do anything about at once, and everybody should know: a line each.
 * @param {Board} board */
function troubles(board) {
  const calls = board.retrying.map((each) => {
    const facts = {
      name: each.to === "bss" ? `BSS ${each.name}` : each.name,
      n: `${each.count}${each.more ? "+" : ""}`,
      at: dateAndClock(each.since),
      why: each.reason ? why(each.reason) : word("why.not_said"),
    };
    return {
      key: `${each.to} ${each.name} ${each.reason}`,
      text: word(each.count ? (each.recovered ? `ops.still_for_${each.to}` : `ops.waits_for_${each.to}`) : `ops.fails_${each.to}`, facts),
    };
  });
  const late = board.lanes.filter((lane) => lane.late_ms > LATE_MS && !stands("lane", lane.lane));
  const behind = !board.funnel
    ? [{ key: "sql", text: word("ops.no_sql") }]
    : lagOf(board) > LATE_MS
      ? [{ key: "sql", text: word("ops.sql_late", { for: span(lagOf(board)), at: dateAndClock(board.as_of ?? "") }) }]
      : [];
  const dead = board.dead.map((each) => ({
    key: `dead ${each.plan} ${each.reason}`,
    text: word("ops.dead", { n: each.count, plan: each.plan, why: why(each.reason), at: dateAndClock(each.since), command: "consent ask-again" }),
  }));
  return [
    ...calls,
    ...dead,
    ...unshown(board),
    ...behind,
    ...late.map((lane) => ({ key: lane.lane, text: word("ops.lane_late", { name: word(`lane.${lane.lane}`), n: lane.due, for: span(lane.late_ms) }) })),
  ];
}

/** @param {Board} board */
export function showTrouble(board) {
  const found = troubles(board);
  byId("no-workers").hidden = board.workers.length > 0;
  fit(
    byId("trouble"),
    found,
    (each) => each.key,
    () => make("li", { className: "bad" }),
    (row, each) => say(row, each.text),
  );
  byId("nothing-stuck").hidden = found.length + board.causes.length > 0 || board.workers.length === 0;
  showCauses(board);
  showStuck(board);
}

/** @param {Stuck} stuck */
function stuckRow(stuck) {
  const id = stuck.order ? orderLink(stuck.order) : `${stuck.owner === "o" ? "" : word(`ops.a_${RECORDS[stuck.owner]}`)} ${stuck.id}`;
  const retry = make("button", { type: "button", "aria-label": word("ops.retry_of", { order: stuck.order || stuck.id }) }, word("ops.retry"));
  retry.addEventListener("click", () => again(stuck, retry));
  return make(
    "tr",
    {},
    make("td", { className: "mono" }, id),
    make("td", {}),
    make("td", {}),
    make("td", { className: "n" }),
    make("td", { className: "why" }),
    make("td", { className: "acts" }, mayRetry ? retry : ""),
  );
}

/** What many have in common, and one button for all of them; how many is on it.
 * @param {Api.CauseRow} cause */
function causeRow(cause) {
  const button = make("button", { type: "button", className: "main" });
  button.addEventListener("click", () => againAll(cause, button));
  const end = make("button", { type: "button", className: "danger" });
  end.addEventListener("click", () => endAll(cause, Number(end.dataset.count)));
  return make(
    "tr",
    {},
    make("td", { className: "why" }, why(cause.reason)),
    make("td", {}, word(`lane.${cause.lane}`)),
    make("td", {}, cause.plan),
    make("td", { className: "n" }),
    make("td", { className: "when" }),
    make("td", { className: "acts" }, ...(mayRetry ? [button, " ", cause.plan ? end : ""] : [])),
  );
}

/** @param {Board} board */
function showCauses(board) {
  byId("causes-region").hidden = board.causes.length === 0;
  fit(
    byId("causes"),
    board.causes,
    (cause) => JSON.stringify([cause.lane, cause.reason, cause.plan]),
    causeRow,
    (row, cause) => {
      const n = Math.min(cause.count, MOST_AT_ONCE);
      say(row.children[3], `${cause.count}${board.more_causes ? "+" : ""}`);
      say(row.children[4], cause.since ? dateAndClock(cause.since) : "–");
      if (!mayRetry) return;
      const part = n < cause.count || board.more_causes;
      say(row.querySelector(".main"), word(part ? "ops.retry_first" : "ops.retry_all", { n }));
      const end = row.querySelector(".danger");
      if (!end) return;
      end.dataset.count = String(n);
      say(end, word(part ? "ops.end_first" : "ops.end_all", { n }));
    },
  );
}

/**
 * @param {Api.CauseRow} cause
 * @param {HTMLButtonElement} button */
async function againAll(cause, button) {
  button.disabled = true;
  const answer = await call("POST", "/v1/stuck/retry", { lane: cause.lane, reason: cause.reason, plan: cause.plan });
  announce(answer.ok ? word("ops.retried_many", answer.body) : wrong(answer));
  if (!answer.ok) button.after(make("span", { className: "bad", role: "alert" }, ` ${wrong(answer)}`));
  button.disabled = false;
  acted();
}

/** The orders of a cause, cancelled: how many they are is said before, and why is kept.
 * @param {Api.CauseRow} cause
 * @param {number} n */
function endAll(cause, n) {
  askWhy(
    word("ops.end_title", { n }),
    word("ops.end_hint"),
    word("ops.end_do", { n }),
    async (reason) => {
      const answer = await call("POST", "/v1/stuck/cancel", { lane: cause.lane, reason: cause.reason, plan: cause.plan, why: reason });
      if (answer.ok) announce(word("ops.ended_many", answer.body));
      return answer.ok ? "" : wrongField(answer);
    },
    false,
  );
}

/** @param {Board} board */
function showStuck(board) {
  byId("stuck-each").hidden = board.stuck.length === 0;
  if (board.stuck.length && !wasStuck) byId("stuck-each").open = board.stuck.length <= FEW;
  wasStuck = board.stuck.length > 0;
  say(byId("stuck-count"), board.stuck.length ? `${board.stuck.length}${board.more_stuck ? "+" : ""}` : "");
  byId("more-stuck").hidden = !board.more_stuck;
  say(byId("more-stuck"), word("ops.more_stuck", { n: board.stuck.length }));
  fit(
    byId("stuck"),
    board.stuck,
    (stuck) => `${stuck.owner}:${stuck.id}:${stuck.effect}`,
    stuckRow,
    (row, stuck) => {
      const state = stuck.state ? word(`state.${stuck.state}`) : "";
      const purpose = stuck.effect.split(".")[0];
      const what = isWord(`purpose.${purpose}`) ? word(`purpose.${purpose}`) : word(`lane.${stuck.lane}`);
      sayCells(row, [what, state, String(stuck.attempts), why(stuck.why)]);
    },
  );
}

/**
 * @param {Stuck} stuck
 * @param {HTMLButtonElement} button */
async function again(stuck, button) {
  button.disabled = true;
  const path = stuck.order ? `/v1/orders/${stuck.order}/retry` : `/ops/stuck/${stuck.id}/retry`;
  const answer = await call("POST", path);
  announce(answer.ok ? word("ops.retried", { order: stuck.order || stuck.id }) : wrong(answer));
  if (!answer.ok) button.after(make("span", { className: "bad", role: "alert" }, ` ${wrong(answer)}`));
  button.disabled = false;
  acted();
}
