"use strict";
// The life of an order on /desk: every step the moment it is written, and what an agent may still do.
const SETTLE_MS = 700;
const ALONE = { barred: [], ending: null, line_sms: [], waiting: [] }; // nothing is known yet of what stands beside an order
let order = null;
let beside = ALONE;

async function look(id) {
  const answer = await call("GET", `/orders/${id}/life`);
  if (answer.ok) watch(answer.body.order, true);
  else kept.write("watching", null);
}

function watch(found, focus) {
  for (const id of ["sms", "timeline", "wrong"]) byId(id).replaceChildren();
  say(byId("acted"), "");
  order = null;
  beside = ALONE;
  kept.write("watching", found.id);
  byId("asking").hidden = true;
  byId("watching").hidden = false;
  primary();
  // The second half of a double click on "place" must not press what stands there now.
  for (const id of ["acts", "next"]) byId(id).inert = true;
  setTimeout(() => ["acts", "next"].forEach((id) => (byId(id).inert = false)), SETTLE_MS);
  show(found);
  if (focus) byId("life-title").focus();
  hear(`/orders/${found.id}/news`, { banner: showNext, life: (life) => show(life.order, life) });
}

/** life: the order's with all that stands beside it; of an answer that has the order alone, what was known stays. */
function show(found, life = beside) {
  const before = order?.id === found.id ? order.timeline.length : found.timeline.length;
  order = found;
  beside = life;
  showState(byId("state"), order.state, life.ending);
  showMarks(byId("marks"), life);
  showNext();
  showTries();
  noteState(order);
  showRoad(byId("road"), order, life.ending);
  showTimeline(byId("timeline"), order);
  showFacts(byId("facts"), [
    [word("ops.order"), order.id, `/orders/${order.id}`], [word("ops.number"), order.msisdn],
    [word("ops.plan"), `${planName(order.plan.code)} v${order.plan.version}`],
  ]);
  showSms();
  const resends = resendsOf(order);
  say(byId("resends"), word("desk.resends", { used: resends, most: PAGE.resend_max }));
  byId("resend").disabled = !WAITING.includes(order.state) || resends >= PAGE.resend_max;
  for (const element of byId("cancel").elements) element.disabled = !CANCELLABLE.includes(order.state);
  byId("acts").hidden = SETTLED.includes(order.state);
  const news = order.timeline.slice(before);
  if (news.length) announce([...news.map((entry) => word(`trigger.${entry.trigger}`)), word(`state.${order.state}`)].join(word("ops.between")));
  countDown();
}

const resendsOf = (shown) => shown.timeline.filter((entry) => entry.trigger === "asked_again").length;

function sayingOf({ state, timeline }) {
  if (beside.ending) return "say.taken_back";
  const isAsked = timeline.some(({ stage }) => stage === STEPS[1]);
  if (!isAsked && !SETTLED.includes(state) && (notices.some(({ hampers }) => hampers === "sms") || beside.waiting.some(isLate))) return "say.late";
  if (!WAITING.includes(state)) return `say.${state}`;
  if (beside.barred.some(({ kind }) => HELD.includes(kind))) return "say.held";
  const [last] = timeline.filter(({ detail }) => detail.keyword).slice(-1);
  if (last?.trigger === "replied_suspect") return "say.prove";
  if (last?.detail.rule === "ambiguous") return "say.which_one";
  return current?.id ? "say.hang_up" : `say.${state}`;
}

/** The sentence to say now. While the call is up the subscriber is let go first: a yes during the call counts for little. */
function showNext() {
  if (!order) return;
  say(byId("say-next"), word(sayingOf(order)));
  byId("next").hidden = Boolean(current?.id); // the call is ended first, above
}

const isLate = (each) => each.why && each.attempts > 0;

/** What was tried in vain, why, and when it is tried again. */
function showTries() {
  const late = beside.waiting.find((each) => each.purpose && isLate(each));
  say(byId("tries"), late ? word(late.parked ? "desk.tries_over" : "desk.tries", { n: late.attempts, why: why(late.why), at: late.at ? clock(late.at) : "" }) : "");
}

/** The SMS as they went to and fro, word for word. */
function showSms() {
  const soon = { ours: true, soon: true, text: word("desk.asked_soon"), at: order.created_at, who: word("desk.us"), more: [] };
  const bubbles = bubblesOf(order, beside.line_sms);
  showBubbles(byId("sms"), bubbles.length ? bubbles : [soon]);
}

function countDown() {
  const waits = WAITING.includes(order?.state) && order.reply_by;
  const left = waits ? Date.parse(order.reply_by) - now().getTime() : 0;
  say(byId("reply-by"), waits ? word("desk.reply_by", { at: dateAndClock(order.reply_by), left: span(left) }) : "");
}

async function act(path, body, done) {
  const answer = await call("POST", `/v1/orders/${order.id}/${path}`, body);
  byId("acted").className = answer.ok ? "good" : "bad";
  say(byId("acted"), answer.ok ? done(answer.body) : wrongField(answer));
  if (answer.ok) show(answer.body);
}

byId("resend").addEventListener("click", () => {
  const before = resendsOf(order);
  act("resend", undefined, (after) => word(resendsOf(after) > before ? "desk.resent" : "desk.still_sending"));
});
byId("cancel").addEventListener("submit", (event) => {
  event.preventDefault();
  if (byId("reason").value.trim()) act("cancel", { reason: byId("reason").value.trim() }, () => word("desk.cancelled"));
  else byId("reason").focus();
});
/** Away from the order: to the form. */
function leave() {
  if (order) hear("/news", {});
  order = null;
  kept.write("watching", null);
  byId("watching").hidden = true;
  byId("asking").hidden = false;
  primary();
}

byId("next").addEventListener("click", () => nextCall());
setInterval(countDown, 1000);
