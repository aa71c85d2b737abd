// One order at its own address: what it waits for, the SMS word for word, its call, and all that happened.
import {
  all,
  announce,
  byId,
  call,
  dateAndClock,
  fit,
  hear,
  isShown,
  isWord,
  make,
  now,
  orderLink,
  PAGE,
  say,
  showFacts,
  showRoad,
  showState,
  span,
  tail,
  WAITING,
  why,
  word,
  wrong,
} from "./common.js";
import { BRIEF, briefValue, bubblesOf, detailOf, HELD, showBubbles, showMarks, showTimeline } from "./timeline.js";

let shown = PAGE.life;
/** @type {Api.OrderView | null} */
let revealed = null;

/** What was revealed stays until the page is left: a refresh of a masked order does not hide it again.
 * @param {Life} life */
const withRevealed = (life) =>
  revealed && revealed.version >= life.order.version ? { ...life, order: revealed, call: life.call && { ...life.call, to: revealed.msisdn } } : life;

const INSTANT = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/;
/** What only programs need. */
const UNTOLD = ["window", "edition", "known", "call", "may_have", "segments", "undelivered", "text"];
/** @type {Record<string, string>} */
const CODED = { keyword: "keyword.", which: "keyword.", rule: "rule.", how: "how.", outcome: "outcome.", door: "door.", role: "role." };
const YES_OR_NO = ["early", "clarified", "needs_code", "may_be_asked", "answered", "limited", "asked"];
/** @param {string} effect */
const effectWord = (effect) => {
  const [kind, purpose] = effect.split(".");
  if (kind === "sms") return word(`purpose.${purpose}`);
  if (kind === "deactivate") return word("effect.deactivate");
  return word(kind === "wake" ? `wake.${purpose}` : `lane.${kind === "activate" ? "activation" : "inbound"}`);
};

/** A fact of an entry: its name and its value, in words.
 * @param {string} name
 * @param {any} value
 * @param {Api.TimelineEntry} entry */
function fact(name, value, entry) {
  if (YES_OR_NO.includes(name)) return [word(`detail.${name}`)];
  /** @type {Child} */
  let text = String(value);
  if (BRIEF.includes(name)) text = briefValue(name, value);
  else if (CODED[name]) text = word(/** @type {Word} */ (`${CODED[name]}${value}`));
  else if (name === "candidates") return [word("detail.candidates"), ...value.map((/** @type {string} */ id) => orderLink(id))];
  else if (name === "effect") text = effectWord(value);
  else if (name === "effects") text = value.map(effectWord).join(word("ops.between"));
  else if (name === "segment") text = word("order.part", { n: value, of: entry.detail.segments ?? 1 });
  else if (Array.isArray(value)) text = value.join(word("ops.between"));
  else if (INSTANT.test(String(value))) text = dateAndClock(value);
  return [word(`detail.${name}`), text];
}

/** What would say nothing: what is as always, or stands beside it in other words.
 * @param {string} name
 * @param {any} value
 * @param {Api.TimelineEntry} entry
 * @param {string} id */
function isPlain(name, value, { detail }, id) {
  if (name === "attempts") return value === 1;
  if (name === "segment") return detail.segments === 1;
  if (name === "started") return value === detail.last;
  return name === "candidates" && value.every((/** @type {string} */ each) => each === id);
}

/**
 * @param {Api.TimelineEntry} entry
 * @param {string} id */
function facts(entry, id) {
  const by = isWord(`by.${entry.by}`) ? word(`by.${entry.by}`) : entry.by;
  const ref = entry.trigger === "placed" ? "recording" : "ref";
  const told = detailOf(entry)
    .filter(([name, value]) => !UNTOLD.includes(name) && !isPlain(name, value, entry, id))
    .map(([name, value]) => fact(name, value, entry));
  return [...(by ? [[word("detail.by"), by]] : []), ...told, ...(entry.ref ? [[word(`detail.${ref}`), entry.ref]] : [])];
}

/**
 * @param {Waits} each
 * @param {number} at */
function waitingRow(each, at) {
  const what = effectWord(each.effect);
  if (each.parked) return [word("order.parked", { what, why: why(each.why) }), "bad"];
  if (each.in_hand) return [word("order.in_hand", { what, n: each.attempts }), ""];
  if (!each.at) return [what, ""];
  const left = Date.parse(each.at) - at;
  const when = left > 0 ? word("order.due_in", { what, at: dateAndClock(each.at), left: span(left) }) : word("order.due_now", { what });
  const tried = each.attempts && each.why ? word("order.tried", { n: each.attempts, why: why(each.why) }) : "";
  return [when + tried, tried ? "warn" : ""];
}

/** What a person or a rule must end before the order goes on; nothing is asked while it is held.
 * @param {Bar} bar
 * @param {number} at */
function barRow({ kind, until }, at) {
  const left = until ? { at: dateAndClock(until), left: span(Math.max(0, Date.parse(until) - at)) } : {};
  return [word(`bar_next.${kind}`, left), "bad"];
}

/** @param {Api.EndingView} ending */
function endingRow({ state, attempts, why: text }) {
  const tried = attempts && text ? word("order.tried", { n: attempts, why: why(text) }) : "";
  return [`${word("effect.deactivate")}${word("ops.because")}${word(`ending.${state}`)}${tried}`, tried ? "bad" : ""];
}

function showWaiting() {
  const at = now().getTime();
  const bars = shown.barred.filter(({ kind }) => isWord(`bar_next.${kind}`));
  const isHeld = bars.some(({ kind }) => HELD.includes(kind));
  /** @param {Waits} each */
  const isNext = ({ effect, parked }) => parked || !(effect === "wake.archive" || (isHeld && effect === "wake.reminder"));
  const own = shown.waiting.filter(isNext).sort((a, b) => (a.at ?? "").localeCompare(b.at ?? ""));
  const ending = shown.ending && !shown.ending.ended_at ? [shown.ending] : [];
  const rows = [
    ...bars.map((each) => [each.kind, barRow(each, at)]),
    ...ending.map((each) => ["ending", endingRow(each)]),
    ...own.map((each) => [each.effect, waitingRow(each, at)]),
  ];
  byId("nothing-waits").hidden = rows.length > 0;
  fit(
    byId("waiting"),
    rows,
    ([key]) => key,
    () => make("li"),
    (item, [, [text, kind]]) => {
      say(item, text);
      item.className = kind;
    },
  );
}

/** What waits for a person is tried again from here by whoever may do so on /ops: what `consent retry` does. */
function showRetry() {
  if (byId("retry"))
    byId("retry").hidden = !shown.waiting.some((each) => each.parked) && shown.ending?.state !== "ending_failed" && shown.ending?.notice !== "stuck";
}

byId("retry")?.addEventListener("click", async () => {
  byId("retry").disabled = true;
  const answer = await call("POST", `/v1/orders/${shown.order.id}/retry`);
  announce(answer.ok ? word("ops.retried", { order: shown.order.id }) : "");
  say(byId("retry-wrong"), answer.ok ? "" : wrong(answer));
  byId("retry").disabled = false;
});

/** What was read to the subscriber, by the name that the page has for it.
 * @param {string} id */
const readName = (id) => [`read.${id}`, `tariffs.${id}`].filter(isWord).map((name) => word(name))[0] ?? id;

/**
 * @param {Api.CallView} call
 * @param {Life["permit"]} permit
 * @returns {Fact[]} */
function callFacts(call, permit) {
  const outcome = call.outcome ? word(`outcome.${call.outcome}`) : word(`call.${call.state}`);
  return [
    [word("ops.called_at"), dateAndClock(call.started_at)],
    [word("order.ended_at"), call.ended_at ? dateAndClock(call.ended_at) : "–"],
    [word("order.outcome"), outcome],
    [word("detail.caller_number"), call.from],
    [word("ops.number"), call.to],
    [word("ops.agent"), call.agent],
    [
      word("desk.recording"),
      call.recording ? [call.recording.ref, call.recording.seconds ? span(1000 * call.recording.seconds) : ""].filter(Boolean).join(" · ") : "–",
    ],
    ["SHA-256", call.recording?.sha256 || "–"],
    [
      word("order.permit"),
      permit
        ? word("order.permit_of", { request: permit.request, until: dateAndClock(permit.until) })
        : word(call.permit ? "order.permit_other" : "order.no_permit"),
    ],
    [word("ops.violation"), call.violations.map((code) => word(`violation.${code}`)).join(word("ops.between")) || word("order.no_violation")],
    [word("order.call_id"), call.id],
    ...call.disclosures.map(
      /** @returns {Fact} */ ({ id, at }) => [
        readName(id),
        word("order.read_at", { at: dateAndClock(at), after: span(Date.parse(at) - Date.parse(call.started_at)) }),
      ],
    ),
  ];
}

/** @param {Api.EndingView} ending
 * @returns {Fact[]} */
function endingFacts(ending) {
  const asked = word("order.ending_by", { at: dateAndClock(ending.asked_at), by: ending.by, reason: ending.reason || "–" });
  /** @type {Fact[]} */
  const facts = [
    [word("order.ending_state"), word(`ending.${ending.state}`)],
    [word("order.ending_cause"), word(`cause.${ending.cause}`)],
    [word("order.ending_asked"), asked],
    [word("order.ending_off"), ending.ended_at ? dateAndClock(ending.ended_at) : "–"],
    [word("order.ending_stops"), ending.stops_at || "–"],
  ];
  if (ending.notice) facts.push([word("order.ending_notice"), word(`notice.${ending.notice}`)]);
  if (ending.free_exit) facts.push([word("order.ending_free"), word("order.ending_free_told")]);
  return ending.why ? [...facts, [word("order.ending_why"), why(ending.why)]] : facts;
}

/** What its call, the call's reviews, its ending and its subscriber's reports add to an order's history.
 * @param {Life} life */
function besideOf({ call: made, ending, complaints }) {
  /** @param {string} name */
  const by = (name) => [word("detail.by"), isWord(`by.${name}`) ? word(`by.${name}`) : name];
  /** @type {Row[]} */
  const rows = [];
  /**
   * @param {string | null} at
   * @param {Word} name
   * @param {string} kind
   * @param {...Told} facts */
  const add = (at, name, kind, ...facts) => at && rows.push({ at, name, kind, facts: facts.filter(([, text]) => text) });
  if (made) {
    const violations = made.violations.map((code) => word(`violation.${code}`)).join(word("ops.between"));
    add(
      made.started_at,
      "order.call_began",
      violations ? "alarm" : "",
      [word("detail.agent"), made.agent],
      [word("detail.caller_number"), made.from],
      [word("ops.violation"), violations],
    );
    add(
      made.ended_at,
      "evidence.call.ended",
      "",
      [word("detail.outcome"), made.outcome && word(`outcome.${made.outcome}`)],
      [word("desk.recording"), made.recording?.ref ?? ""],
    );
    for (const { at, second, passed, reasons, note, by: who, heard, unplayed } of made.reviews) {
      add(
        at,
        second ? "evidence.call.second_look" : "evidence.call.reviewed",
        passed ? "" : "alarm",
        [word("detail.outcome"), word(passed ? "review.pass" : second ? "review.uphold" : "review.fail")],
        [word("detail.reason"), [...reasons.map((each) => word(`reviewed.${each}`)), note].filter(Boolean).join(word("ops.between"))],
        [word("review.heard"), unplayed ? word("review.not_played") : heard === null ? "" : word("review.heard_s", { n: heard })],
        by(who),
      );
    }
  }
  if (ending) {
    add(
      ending.asked_at,
      "evidence.ending.asked_to_end",
      "alarm",
      [word("order.ending_cause"), word(`cause.${ending.cause}`)],
      [word("detail.reason"), ending.reason],
      by(ending.by),
    );
    for (const { at, event, ref, why: text, by: who } of ending.timeline) {
      add(
        at,
        `evidence.ending.${event}`,
        event === "told" ? "" : "alarm",
        [word("detail.reason"), isWord(`notice.${text}`) ? word(`notice.${text}`) : why(text)],
        by(who),
        [word("detail.ref"), event === "told" ? "" : ref],
      );
    }
  }
  for (const { at, number, found, decided_at: decided, by: who } of complaints ?? []) {
    add(at, "order.complained", "alarm", [word("ops.report"), number], [word("ops.seems"), decided ? "" : word(`report_class.${found}`)]);
    add(decided, "order.complaint_decided", "alarm", [word("ops.report"), number], [word("reported.was"), word(`report_class.${found}`)], by(who));
  }
  return rows;
}

/** @param {Life} life */
function show(life) {
  shown = withRevealed(life);
  const { order, call } = shown;
  say(byId("short"), tail(order.id));
  showState(byId("state"), order.state, life.ending);
  showMarks(byId("marks"), shown);
  showRoad(byId("road"), order, life.ending);
  byId("call-up").hidden = !(call?.state === "up" && (order.state === "agreed" || WAITING.includes(order.state)));
  showWaiting();
  showRetry();
  const bubbles = bubblesOf(order, life.line_sms);
  byId("no-sms").hidden = bubbles.length > 0;
  showBubbles(byId("sms"), bubbles);
  const { agent } = order.timeline[0].detail;
  showFacts(byId("facts"), [
    [word("ops.order"), order.id],
    [word("ops.number"), order.msisdn],
    [word("ops.plan"), `${order.plan.code} v${order.plan.version} · ${word(`carrier.${order.carrier}`)}`],
    [word("ops.agent"), agent ?? ""],
    [word("ops.placed_at"), dateAndClock(order.created_at)],
    [word("order.code"), order.confirmation.code],
    [word("order.reply_by"), order.reply_by ? dateAndClock(order.reply_by) : "–"],
    [word("order.head"), order.head],
  ]);
  byId("ending-card").hidden = !life.ending;
  showFacts(byId("ending"), life.ending ? endingFacts(life.ending) : []);
  byId("no-call").hidden = Boolean(call);
  showFacts(byId("call"), call ? callFacts(call, life.permit) : []);
  byId("related-card").hidden = life.related.length === 0;
  fit(
    byId("related"),
    life.related,
    (each) => each.id,
    (each) => make("li", {}, orderLink(each.id), ` ${each.plan} · `, make("span")),
    (item, each) => say(item.querySelector("span"), word(`state.${each.state}`)),
  );
  showTimeline(byId("timeline"), order, facts, besideOf(shown));
}

byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(shown.order.id);
  } catch {
    getSelection()?.selectAllChildren(all("dd", byId("facts"))[0]); // no clipboard here: marked, to be copied by hand
  }
  announce(word("order.copied"));
  say(byId("copy"), word("order.copied"));
});

byId("reveal")?.addEventListener("click", () => {
  byId("reveal-wrong").replaceChildren();
  byId("revealing").showModal();
  byId("reveal-reason").focus();
});
byId("reveal-back")?.addEventListener("click", () => byId("revealing").close());
byId("reveal-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const reason = byId("reveal-reason").value.trim();
  if (!reason) return byId("reveal-reason").focus();
  byId("reveal-do").disabled = true;
  const answer = await call("POST", `/v1/orders/${shown.order.id}/reveal`, { reason });
  byId("reveal-do").disabled = false;
  if (!answer.ok) {
    const errors = (answer.body.errors ?? []).map((each) => word(`problem.${each.code}`));
    return byId("reveal-wrong").replaceChildren(wrong(answer), ...errors.map((text) => make("p", {}, text)));
  }
  revealed = answer.body;
  byId("revealing").close();
  byId("reveal").hidden = true;
  say(byId("revealed"), word("order.revealed"));
  show(shown);
});

show(PAGE.life);
setInterval(showWaiting, 1000);
hear(`/orders/${shown.order.id}/news`, {
  life: (life) => {
    const before = shown.order.timeline.length;
    show(life);
    const news = shown.order.timeline.slice(before);
    if (news.length) announce(news.map((entry) => word(`trigger.${entry.trigger}`)).join(word("ops.between")));
  },
});
isShown();
