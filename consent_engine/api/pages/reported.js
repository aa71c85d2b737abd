// /reports: the list, the next due first; a decision by two keys: the class, then Enter. What a reporter reads stands there before it is sent.

import { chosen, nextReward, one, showAnswer, showOne, theOne } from "./around.js";
import { all, announce, byId, call, every, fit, isShown, make, PAGE, say, targetOf, word, wrong, wrongField } from "./common.js";
import { endless, sayRead } from "./tables.js";

const DUE_EVERY_S = 15;
/** The lists of each tab, one below the other.
 * @type {Record<Shown, string[]>} */
const SHOWN = { due: [], rewards: ["&reward=granted", "&reward=eligible"], decided: [""] };
/** @type {Shown} */
let shown = "due"; // which tab
/** @type {Api.ReportView[]} */
let listed = []; // as it was told
let asked = 0; // the newest request: an answer to an older one is not shown any more

/** @param {Api.ReportView} each */
function dueRow(each) {
  const row = make(
    "li",
    {},
    make("button", { type: "button", className: "link" }, each.number),
    make("span", { className: "muted" }, ` ${word(`report_door.${each.channel}`)} · ${word(`carrier.${each.carrier}`)} `),
    make("span", { className: "block" }),
    make("span", { className: "block muted" }),
  );
  row.firstChild?.addEventListener("click", () => open(each.id));
  return row;
}

/** Marks the report that is looked at.
 * @param {Element} row
 * @param {boolean} isCurrent */
function mark(row, isCurrent) {
  if (isCurrent) row.setAttribute("aria-current", "true");
  else row.removeAttribute("aria-current");
}

/** Part of a tab's lists, with all that was told and decided by now if that is waited for; its cursor begins with the
 * list that it goes on in.
 * @type {Ask} */
async function ask(cursor, limit, wait) {
  const lists = SHOWN[shown];
  if (!lists.length) return call("GET", `/reports/due?wait=${wait}`);
  const [n, within = ""] = cursor.split(" ");
  const answer = await call("GET", `/v1/reports?state=decided${lists[Number(n)]}&limit=${limit}&cursor=${within}&wait=${wait}`);
  const { cursor: next } = answer.body;
  answer.body.cursor = next ? `${Number(n)} ${next}` : Number(n) + 1 < lists.length ? `${Number(n) + 1}` : "";
  return answer;
}

const list = endless(
  ask,
  (body) => body.reports,
  (answer, rows, cursor) => {
    listed = rows;
    fit(
      byId("due"),
      listed,
      (each) => each.id,
      dueRow,
      (row, each) => {
        mark(row, each.id === one?.report.id);
        say(row.children[2], word(`report_class.${each.class}`));
        const due =
          each.state === "open"
            ? word("reported.due", { at: each.due.answer_by.slice(0, 10) })
            : `${word("ops.reward")}${word("ops.because")}${word(`reward.${each.reward}`)}`;
        say(row.children[3], `${due}${each.overdue ? ` · ${word("ops.overdue")}` : ""}`);
        row.children[3].className = `block ${each.overdue ? "bad" : "muted"}`;
      },
    );
    const { open, overdue } = answer.body;
    say(byId("no-due"), word(`reported.none_${shown}`));
    say(byId("due-told"), open ? word("reported.open", { n: open, late: overdue }) : "");
    byId("due-told").classList.toggle("bad", Boolean(overdue));
    for (const button of all("[data-shown]")) button.setAttribute("aria-pressed", String(button.dataset.shown === shown));
    sayRead("due", answer, rows, cursor);
  },
);

/** A report, at an address of its own.
 * @param {string} id */
async function open(id) {
  const turn = ++asked;
  const answer = await call("GET", `/reports/around/${id}`);
  if (turn !== asked) return;
  if (!answer.ok) return say(byId("wrong"), wrong(answer));
  say(byId("wrong"), "");
  history.replaceState(null, "", `#${id}`);
  showOne(answer.body);
  for (const row of all(":scope > li", byId("due"))) mark(row, row.dataset.key === id);
}

/** @param {Shown} which */
async function look(which) {
  shown = which;
  await list.anew();
  if (listed.length) await open(listed[0].id);
  else showOne(null);
}

/** @param {number} by */
function move(by) {
  const at = listed.findIndex((each) => each.id === one?.report.id);
  const to = listed[at < 0 ? 0 : at + by];
  if (to) open(to.id).then(() => byId("one").focus());
}

/**
 * @param {any} body
 * @param {string} done */
async function decided(body, done) {
  const id = theOne().report.id;
  const at = listed.findIndex((each) => each.id === id);
  const following = listed[at + 1] ?? listed.find((each) => each.id !== id);
  byId("send").disabled = true;
  const answer = await call("POST", `/v1/reports/${id}/decide`, body);
  if (!answer.ok) {
    say(byId("wrong"), wrongField(answer));
    return answer.status === 409 ? open(id) : showAnswer();
  }
  await list.reread();
  if (shown === "due" && following) await open(following.id);
  else await open(id);
  announce(done);
  say(byId("fresh"), done);
  byId("one").focus();
}

byId("decide").addEventListener("submit", (event) => {
  event.preventDefault();
  const { found, reward } = chosen();
  if (!found || byId("send").disabled) return;
  /** @type {Record<string, string>} */
  const body = { class: found, note: byId("note").value, forwarded: PAGE.others.includes(found) ? byId("forwarded").value : "" };
  if (reward) body.reward = reward;
  decided(body, word("reported.done", { number: theOne().report.number, found: word(`report_class.${found}`) }));
});
for (const [id, reward] of /** @type {const} */ ([
  ["grant", "granted"],
  ["pay", "paid"],
  ["none", "none"],
])) {
  byId(id).addEventListener("click", () =>
    decided({ class: theOne().report.class, reward }, word("reported.done_reward", { number: theOne().report.number, reward: word(`reward.${reward}`) })),
  );
}
byId("next").addEventListener("click", () => move(1));
byId("more-due").addEventListener("click", list.more);
for (const button of all("[data-shown]")) button.addEventListener("click", () => look(/** @type {Shown} */ (button.dataset.shown)));

/** @param {...(keyof Elements)} ids */
const press = (...ids) =>
  ids
    .map(byId)
    .find((button) => !button.hidden && !button.closest("[hidden]"))
    ?.click();
/** @type {Record<string, () => void>} */
const KEYS = { j: () => move(1), k: () => move(-1), n: () => press("none"), g: () => (byId("decide-card").hidden ? press("grant", "pay") : nextReward()) };

document.addEventListener("keydown", (event) => {
  if (
    event.ctrlKey ||
    event.altKey ||
    event.metaKey ||
    !byId("keys-on").checked ||
    targetOf(event).closest("input:not([type=radio]):not([type=checkbox]), select")
  )
    return;
  const box = byId("decide-card").hidden ? null : byId("kinds").querySelectorAll("input")[Number(event.key) - 1];
  if (box && !box.disabled) {
    box.checked = true;
    showAnswer();
  } else if (event.key === "Enter" && !targetOf(event).closest("button, a") && chosen().found && !byId("decide-card").hidden) byId("decide").requestSubmit();
  else if (KEYS[event.key.toLowerCase()]) KEYS[event.key.toLowerCase()]();
  else return;
  event.preventDefault();
});

addEventListener("hashchange", () => location.hash.slice(1) !== one?.report.id && open(location.hash.slice(1)));
list.anew().then(async () => {
  const wanted = location.hash.slice(1) || listed[0]?.id;
  if (wanted) await open(wanted);
  isShown();
  setTimeout(every, DUE_EVERY_S * 1000, DUE_EVERY_S, list.again);
});
