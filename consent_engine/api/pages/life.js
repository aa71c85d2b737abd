"use strict";
// The life of an order on /desk: every step the moment it is written, and what an agent may still do.
const AGAIN_MS = 2000;
const SETTLE_MS = 700;
const TRIES_MS = 3000;
const ALONE = { barred: [], ending: null, line_sms: [] }; // nothing is known yet of what stands beside an order
let order = null;
let beside = ALONE;
let stream = null;

const lifeOf = (id) => call("GET", `/orders/${id}/life`);

async function look(id) {
  const answer = await lifeOf(id);
  if (answer.ok) watch(answer.body.order, true);
  else kept.write("watching", null);
}

function watch(found, focus) {
  stream?.close();
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
  follow(found.id);
}

/** Hear of each step the moment it is written; the order itself is read from where everybody reads it. */
function follow(id) {
  let reading = false;
  let again = false;
  const read = async () => {
    if (reading) return (again = true);
    reading = true;
    do {
      again = false;
      const answer = await lifeOf(id);
      if (answer.ok && order?.id === id) show(answer.body.order, answer.body);
    } while (again);
    reading = false;
  };
  stream = new EventSource(`/v1/orders/${id}/stream`);
  stream.onmessage = read;
  stream.addEventListener("end", () => stream.close());
  stream.onopen = () => {
    say(byId("link"), word("desk.live"));
    read();
  };
  stream.onerror = () => {
    if (SETTLED.includes(order?.state)) return stream.close();
    say(byId("link"), word("desk.reconnecting"));
    read();
    // A browser reconnects by itself, unless what it got was no stream at all.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => order?.id === id && follow(id), AGAIN_MS);
  };
}

/** life: the order's with all that stands beside it; of an answer that has the order alone, what was known stays. */
function show(found, life = beside) {
  const before = order?.id === found.id ? order.timeline.length : found.timeline.length;
  order = found;
  beside = life;
  showState(byId("state"), order.state, life.ending);
  showMarks(byId("marks"), life);
  showNext();
  noteState(order);
  showRoad(byId("road"), order, life.ending);
  showTimeline(byId("timeline"), order, true);
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
  if (SETTLED.includes(order.state)) say(byId("link"), "");
  const news = order.timeline.slice(before);
  if (news.length) announce([...news.map((entry) => word(`trigger.${entry.trigger}`)), word(`state.${order.state}`)].join(word("ops.between")));
  countDown();
}

const resendsOf = (shown) => shown.timeline.filter((entry) => entry.trigger === "asked_again").length;

function sayingOf({ state, timeline }) {
  if (beside.ending) return "say.taken_back";
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

/** While the question is not handed over: why it is not, and how often it was tried. */
async function showTries() {
  const isAsked = order?.timeline.some((entry) => entry.stage === STEPS[1]);
  if (!order || isAsked || SETTLED.includes(order.state)) return say(byId("tries"), "");
  const { id } = order;
  const answer = await lifeOf(id);
  if (!answer.ok || order?.id !== id) return;
  const late = answer.body.waiting.find((each) => each.purpose && each.why && each.attempts > 0);
  const told = late && { n: late.attempts, why: why(late.why), at: late.at ? clock(late.at) : "" };
  say(byId("tries"), late ? word(late.parked ? "desk.tries_over" : "desk.tries", told) : "");
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
  stream?.close();
  order = null;
  kept.write("watching", null);
  byId("watching").hidden = true;
  byId("asking").hidden = false;
  primary();
}

byId("next").addEventListener("click", () => nextCall());
setInterval(countDown, 1000);
setInterval(showTries, TRIES_MS);
