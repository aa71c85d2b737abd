// The life of an order on /desk: every step the moment it is written, and what an agent may still do.
import {
  all,
  announce,
  byId,
  CANCELLABLE,
  call,
  clock,
  dateAndClock,
  fit,
  hear,
  make,
  notices,
  now,
  PAGE,
  SETTLED,
  STEPS,
  say,
  sayAsOf,
  showFacts,
  showRoad,
  showState,
  span,
  targetOf,
  WAITING,
  why,
  word,
  wrongField,
} from "./common.js";
import { kept } from "./fields.js";
import { desk, primary, theOrder } from "./steps.js";
import { bubblesOf, HELD, showBubbles, showMarks, showTimeline } from "./timeline.js";

const SETTLE_MS = 700;
/** @type {Beside} */
const ALONE = { barred: [], ending: null, line_sms: [], waiting: [] }; // nothing is known yet of what stands beside an order
/** @type {Beside} */
let beside = ALONE;

/** @param {string} id */
export async function look(id) {
  const answer = await call("GET", `/orders/${id}/life`);
  if (answer.ok) watch(answer.body.order, true);
  else kept.write("watching", null);
}

/**
 * @param {Api.OrderView} found
 * @param {boolean} focus */
export function watch(found, focus) {
  for (const list of [byId("sms"), byId("timeline"), byId("wrong")]) list.replaceChildren();
  say(byId("acted"), "");
  desk.order = null;
  beside = ALONE;
  kept.write("watching", found.id);
  byId("asking").hidden = true;
  byId("watching").hidden = false;
  primary();
  // The second half of a double click on "place" must not press what stands there now.
  for (const each of [byId("acts"), byId("next")]) {
    each.inert = true;
    setTimeout(() => (each.inert = false), SETTLE_MS);
  }
  show(found);
  if (focus) byId("life-title").focus();
  hear(`/orders/${found.id}/news`, { banner: showNext, life: (life) => show(life.order, life) });
}

/** life: the order's with all that stands beside it; of an answer that has the order alone, what was known stays.
 * @param {Api.OrderView} found
 * @param {Beside} life */
function show(found, life = beside) {
  const before = desk.order?.id === found.id ? desk.order.timeline.length : found.timeline.length;
  desk.order = found;
  beside = life;
  showState(byId("state"), desk.order.state, life.ending);
  showMarks(byId("marks"), life);
  showNext();
  showTries();
  noteState(desk.order);
  showRoad(byId("road"), desk.order, life.ending);
  showTimeline(byId("timeline"), desk.order);
  showFacts(byId("facts"), [
    [word("ops.order"), desk.order.id, `/orders/${desk.order.id}`],
    [word("ops.number"), desk.order.msisdn],
    [word("ops.plan"), `${planName(desk.order.plan.code)} v${desk.order.plan.version}`],
  ]);
  showSms();
  const resends = resendsOf(desk.order);
  say(byId("resends"), word("desk.resends", { used: resends, most: PAGE.resend_max }));
  byId("resend").disabled = !WAITING.includes(desk.order.state) || resends >= PAGE.resend_max;
  for (const element of all("input, button", byId("cancel"))) element.disabled = !CANCELLABLE.includes(desk.order.state);
  byId("acts").hidden = SETTLED.includes(desk.order.state);
  const news = desk.order.timeline.slice(before);
  if (news.length) announce([...news.map((entry) => word(`trigger.${entry.trigger}`)), word(`state.${desk.order.state}`)].join(word("ops.between")));
  countDown();
}

/** @param {Api.OrderView} shown */
const resendsOf = (shown) => shown.timeline.filter((entry) => entry.trigger === "asked_again").length;

/** @param {Api.OrderView} order
 * @returns {Word} */
function sayingOf({ state, timeline }) {
  if (beside.ending) return "say.taken_back";
  const isAsked = timeline.some(({ stage }) => stage === STEPS[1]);
  if (!isAsked && !SETTLED.includes(state) && (notices.some(({ hampers }) => hampers === "sms") || beside.waiting.some(isLate))) return "say.late";
  if (!WAITING.includes(state)) return `say.${state}`;
  if (beside.barred.some(({ kind }) => HELD.includes(kind))) return "say.held";
  const [last] = timeline.filter(({ detail }) => detail.keyword).slice(-1);
  if (last?.trigger === "replied_suspect") return "say.prove";
  if (last?.detail.rule === "ambiguous") return "say.which_one";
  return desk.call?.id ? "say.hang_up" : `say.${state}`;
}

/** The sentence to say now. While the call is up the subscriber is let go first: a yes during the call counts for little. */
export function showNext() {
  if (!desk.order) return;
  say(byId("say-next"), word(sayingOf(desk.order)));
  byId("next").hidden = Boolean(desk.call?.id); // the call is ended first, above
}

/** @param {Waits} each */
const isLate = (each) => each.why && each.attempts > 0;

/** What was tried in vain, why, and when it is tried again. */
function showTries() {
  const late = beside.waiting.find((each) => each.purpose && isLate(each));
  say(
    byId("tries"),
    late ? word(late.parked ? "desk.tries_over" : "desk.tries", { n: late.attempts, why: why(late.why), at: late.at ? clock(late.at) : "" }) : "",
  );
}

/** The SMS as they went to and fro, word for word. */
function showSms() {
  const soon = { ours: true, soon: true, text: word("desk.asked_soon"), at: theOrder().created_at, who: word("desk.us"), more: [] };
  const bubbles = bubblesOf(theOrder(), beside.line_sms);
  showBubbles(byId("sms"), bubbles.length ? bubbles : [soon]);
}

function countDown() {
  const until = desk.order && WAITING.includes(desk.order.state) ? desk.order.reply_by : null;
  say(byId("reply-by"), until ? word("desk.reply_by", { at: dateAndClock(until), left: span(Date.parse(until) - now().getTime()) }) : "");
}

/**
 * @param {string} path
 * @param {any} body
 * @param {(order:Api.OrderView) => string} done */
async function act(path, body, done) {
  const answer = await call("POST", `/v1/orders/${theOrder().id}/${path}`, body);
  byId("acted").className = answer.ok ? "good" : "bad";
  say(byId("acted"), answer.ok ? done(answer.body) : wrongField(answer));
  if (answer.ok) show(answer.body);
}

byId("resend").addEventListener("click", () => {
  const before = resendsOf(theOrder());
  act("resend", undefined, (after) => word(resendsOf(after) > before ? "desk.resent" : "desk.still_sending"));
});
byId("cancel").addEventListener("submit", (event) => {
  event.preventDefault();
  if (byId("reason").value.trim()) act("cancel", { reason: byId("reason").value.trim() }, () => word("desk.cancelled"));
  else byId("reason").focus();
});
/** Away from the order: to the form. */
export function leave() {
  if (desk.order) hear("/news", {});
  desk.order = null;
  kept.write("watching", null);
  byId("watching").hidden = true;
  byId("asking").hidden = false;
  primary();
  loadMine();
}

// -- orders of today

const names = new Map(); // of plans, by their codes
/** @param {string} code */
const planName = (code) => names.get(code) ?? code;

export async function learnNames() {
  const answer = await call("GET", "/v1/plans");
  for (const { code, name } of answer.ok ? answer.body.items : []) names.set(code, name);
  byId("mine-list").replaceChildren();
  showMine();
}

const MOST_MINE = 50;
/** @type {() => Mine[]} */
const mineKept = () => kept.read("mine") ?? [];

/** @param {Api.OrderView} placed */
export function keepOrder(placed) {
  const mine = mineKept().filter((each) => each.id !== placed.id);
  kept.write(
    "mine",
    [{ id: placed.id, created_at: placed.created_at, plan: placed.plan.code, msisdn: placed.msisdn, state: placed.state }, ...mine].slice(0, MOST_MINE),
  );
  kept.write("watching", placed.id);
  showMine();
}

/** @type {Workday | null} */
let day = null; // what came of the agent's day so far

export function showMine() {
  const mine = mineKept();
  byId("mine").hidden = mine.length === 0 && !day?.calls;
  /** @param {Mine} each */
  const label = (each) => `${clock(each.created_at)} · ${planName(each.plan)} · ${word("desk.tail", { digits: each.msisdn.slice(-4) })} · `;
  fit(
    byId("mine-list"),
    mine,
    (each) => each.id,
    (each) =>
      make(
        "li",
        {},
        label(each),
        make("button", { type: "button", className: "link", title: each.id }, `…${each.id.slice(-6)}`),
        " ",
        make("span", { className: "badge" }),
      ),
    (item, each) => showState(item.querySelector(".badge"), each.state),
  );
}

/** What this key placed today, also from another window; a step of the order that is watched stands there at once. */
export async function loadMine() {
  const answer = await call("GET", "/desk/mine");
  if (!answer.ok) return;
  const known = new Map([...mineKept(), ...answer.body.orders].map((each) => [each.id, each]));
  kept.write(
    "mine",
    [...known.values()]
      .filter((each) => each.created_at >= answer.body.since)
      .sort((a, b) => b.created_at.localeCompare(a.created_at))
      .slice(0, MOST_MINE),
  );
  say(byId("mine-cut"), answer.body.cut ? word("desk.mine_cut") : "");
  ({ day } = answer.body);
  showFacts(
    byId("day"),
    PAGE.figures.map((name) => [word(`figure.${name}`), String(answer.body.day[/** @type {"calls"} */ (name)])]),
  );
  sayAsOf(byId("mine-list"), answer.body);
  showMine();
}

/** @param {{id:string, state:string}} order */
function noteState({ id, state }) {
  const mine = mineKept();
  if (!mine.some((each) => each.id === id && each.state !== state)) return;
  kept.write(
    "mine",
    mine.map((each) => (each.id === id ? { ...each, state } : each)),
  );
  showMine();
}

byId("mine-list").addEventListener("click", (event) => targetOf(event).matches("button") && look(targetOf(event).title));
setInterval(countDown, 1000);
