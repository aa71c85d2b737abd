// /reports, one report: what decides it, what its reporter reads, and what becomes of its reward.
import { all, byId, clock, dateAndClock, make, PAGE, say, showFacts, word } from "./common.js";

const GRAVE = ["ours_forbidden", "ours_unrecorded", "channel"];
const REWARDS = /** @type {const} */ (["eligible", "granted", "none"]);
const DECIDES = ["ops", "admin"].includes(PAGE.role);
/** @type {Around | null} */
export let one = null; // the report that is looked at, with all around it
export const theOne = () => /** @type {Around} */ (one);
/** @param {string} each */
const nameOf = (each) => word(`report_class.${each}`);
/** @param {Api.ReportView} report */
const reasonsOf = (report) => report.reasons.map((code) => word(`because.${code}`)).join(word("ops.between"));

/** The class and the reward that are chosen; of a reward that is not asked about, nothing. */
export function chosen() {
  const form = new FormData(byId("decide"));
  return { found: String(form.get("class") ?? ""), reward: byId("rewards").hidden ? null : String(form.get("reward")) };
}

/** What the choice would tell the reporter. */
export function showAnswer() {
  const { found } = chosen();
  const ways = theOne().would.filter((each) => each.class === found);
  const asks = ways.length > 1;
  byId("rewards").hidden = !asks;
  if (asks && !byId("rewards").children.length) {
    byId("rewards").append(
      ...REWARDS.map((each) =>
        make("label", {}, make("input", { type: "radio", name: "reward", value: each, checked: each === "eligible" }), ` ${word(`reported.reward_${each}`)}`),
      ),
    );
  }
  byId("forwarded-field").hidden = !PAGE.others.includes(found);
  const reward = asks ? chosen().reward : ways[0]?.reward;
  const sms = ways.find((each) => each.reward === reward)?.sms;
  byId("no-answer").hidden = Boolean(found);
  byId("answer").hidden = !sms;
  say(byId("answer"), sms?.text.replace("{forwarded}", byId("forwarded").value.trim() || "12321") ?? "");
  say(byId("segments"), sms ? word("reported.segments", { n: sms.segments, language: word(`reported.in_${theOne().language}`) }) : "");
  byId("send").disabled = !found;
}

export function nextReward() {
  const ways = [...byId("rewards").querySelectorAll("input")];
  if (byId("rewards").hidden || !ways.length) return;
  ways[(ways.findIndex((each) => each.checked) + 1) % ways.length].checked = true;
  showAnswer();
}

/** @param {Api.ReportView} report */
function showDecision(report) {
  byId("decide-card").hidden = !DECIDES || report.state !== "open";
  byId("decide").reset();
  byId("rewards").replaceChildren();
  for (const input of byId("kinds").querySelectorAll("input")) {
    // Where our own number was shown, a call of somebody else's is no answer.
    input.disabled = PAGE.others.includes(input.value) && theOne().official;
    input.parentElement?.classList.toggle("muted", input.disabled);
  }
  for (const badge of all("[data-proposed]", byId("kinds"))) badge.hidden = badge.dataset.proposed !== report.proposed;
  const open = report.state !== "open" && DECIDES && ["eligible", "granted"].includes(report.reward);
  byId("reward-card").hidden = !open;
  byId("grant").hidden = report.reward !== "eligible";
  byId("pay").hidden = report.reward !== "granted";
  const amount = report.decisions.at(-1)?.amount;
  say(byId("reward-told"), `${word(`reward.${report.reward}`)}${amount ? ` · ${word("reported.yuan", { amount })}` : ""}`);
  showAnswer();
}

/** @param {NonNullable<Around["calls"]>[number]} each */
function callRow(each) {
  const permit =
    each.permit === "ours"
      ? word("reported.permit_ours", { since: dateAndClock(each.permit_since), until: clock(each.permit_until) })
      : word(`reported.permit_${each.permit}`);
  const wrongs = each.violations.map((code) => word(`violation.${code}`)).join(word("ops.between"));
  const verdict = each.verdict ? word(/** @type {Word} */ (`reported.verdict_${each.verdict}`)) : "";
  const ended = each.outcome ? word(`outcome.${each.outcome}`) : word("reported.no_end");
  return make(
    "li",
    { className: each.meant ? "meant" : "" },
    make("strong", {}, dateAndClock(each.started_at), each.ended_at ? `–${clock(each.ended_at)}` : ""),
    " ",
    each.meant ? make("span", { className: "badge" }, word("reported.meant")) : "",
    make("span", { className: "block" }, [each.from, each.agent, word(`carrier.${each.carrier}`), ended, each.plan].filter(Boolean).join(" · ")),
    make("span", { className: "block" }, `${word("reported.permit")}${word("ops.because")}${permit}`),
    make("span", { className: `block ${wrongs ? "bad" : ""}` }, [wrongs || word("reported.nothing_wrong"), verdict].filter(Boolean).join(" · ")),
  );
}

/** @param {Around["standing"][number]} each */
function standingRow(each) {
  const who = each.carrier === "*" ? word("reported.every_carrier") : word(`carrier.${each.carrier}`);
  const span = each.until
    ? word("reported.span", { since: dateAndClock(each.since), until: dateAndClock(each.until) })
    : word("reported.since", { since: dateAndClock(each.since) });
  const when = each.by_this ? "reported.by_this" : each.stood ? "reported.stood" : "reported.later";
  return make(
    "li",
    {},
    make("strong", {}, word(`restriction.${each.kind}`)),
    ` ${[who, each.plan, span].filter(Boolean).join(" · ")} `,
    make("span", { className: `badge ${each.stood ? "failed" : ""}` }, word(when)),
  );
}

/** @param {Around["written"][number]} each */
function smsRow(each) {
  const state = each.stuck ? word("reported.sms_stuck") : each.waits ? word("reported.sms_waits") : "";
  return make("li", {}, each.text, make("small", {}, [dateAndClock(each.at), word("reported.parts", { n: each.segments }), state].filter(Boolean).join(" · ")));
}

/** @param {Api.ReportEventView} each */
function historyRow(each) {
  const told = [
    nameOf(each.class),
    `${word("ops.reward")}${word("ops.because")}${word(`reward.${each.reward}`)}`,
    each.amount ? word("reported.yuan", { amount: each.amount }) : "",
    each.forwarded ? word("reported.passed", { to: each.forwarded }) : "",
    each.note,
  ];
  return make(
    "li",
    { className: "step" },
    make("time", {}, dateAndClock(each.at)),
    each.by,
    make("span", { className: "more" }, told.filter(Boolean).join(" · ")),
  );
}

/** All of one report; of none, nothing.
 * @param {Around | null} it */
export function showOne(it) {
  one = it;
  byId("one").hidden = byId("act").hidden = !it;
  if (!it) return;
  const { report } = it;
  say(byId("one-title"), word("reported.one", { number: report.number }));
  byId("said").hidden = !report.what;
  say(byId("said"), report.what);
  const due = report.due;
  showFacts(byId("facts"), [
    [word("ops.number"), report.msisdn || word("reported.erased")],
    [word("ops.shown_number"), report.caller_number || word("reported.erased")],
    [word("ops.called_at"), dateAndClock(report.called_at)],
    [word("ops.carrier"), word(`carrier.${report.carrier}`)],
    [
      word("ops.came_at"),
      `${dateAndClock(report.received_at)} · ${word(`report_door.${report.channel}`)} · ${report.by}${report.ref ? ` · ${report.ref}` : ""}`,
    ],
    ...(due.forward_by ? [/** @type {Fact} */ ([word("reported.forward_by"), due.forward_by.slice(0, 10)])] : []),
    report.state === "open"
      ? [word("ops.answer_by"), `${due.answer_by.slice(0, 10)}${report.overdue ? ` · ${word("ops.overdue")}` : ""}`]
      : [word("reported.tell_by"), due.tell_by?.slice(0, 10)],
  ]);
  const open = report.state === "open";
  byId("found").className = open && GRAVE.includes(report.proposed) ? "verdict" : "asked";
  say(
    byId("found"),
    `${word(open ? "reported.seems" : "reported.was")}${word("ops.because")}${nameOf(open ? report.proposed : report.class)}${open || report.class === report.proposed ? word("reported.why", { why: reasonsOf(report) }) : ""}`,
  );
  byId("silent").hidden = !it.silent;
  byId("written").replaceChildren(...it.written.map(smsRow));
  byId("calls-away").hidden = it.calls !== null;
  byId("no-calls").hidden = it.calls === null || it.calls.length > 0;
  byId("calls").replaceChildren(...(it.calls ?? []).map(callRow));
  byId("no-standing").hidden = it.standing.length > 0;
  byId("standing").replaceChildren(...it.standing.map(standingRow));
  byId("history-card").hidden = report.decisions.length === 0;
  byId("history").replaceChildren(...report.decisions.map(historyRow));
  showDecision(report);
}

for (const element of [byId("kinds"), byId("rewards")]) element.addEventListener("change", showAnswer);
byId("forwarded").addEventListener("input", showAnswer);
