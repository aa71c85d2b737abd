// /desk: may I call? - the call begins - read aloud - place - and the order's life, live. A request that is unanswered is
// kept in this window's session storage, so that a reload asks the same again.
import { announce, blame, byId, byName, call, clock, dateAndClock, isShown, isWord, labelOf, make, now, PAGE, say, word, wrong } from "./common.js";
import { carrier, DRAFTED, dropDraft, heldIn, INSTANTS, kept, newKey, numberTrouble, setInstant, summary } from "./fields.js";
import { keepOrder, learnNames, leave, loadMine, look, showMine, showNext, watch } from "./life.js";
import { askEnding, beginCall, endCall, keepCall, showCall } from "./phone.js";
import "./refusal.js";
import { desk, primary, theCall, unread } from "./steps.js";
import { showScript } from "./teleprompter.js";

/** @type {Api.PlanView[]} */
let plans = [];
/** @type {OpenOrder[]} */
let already = []; // the open orders of the number: {plan, name, order}

function saveDraft() {
  kept.write("draft", { checked: desk.permit !== "", fields: DRAFTED.map((id) => [id, heldIn(id)]) });
}

/** What the key and this browser know of the agent. */
function known() {
  byId("agent").value ||= PAGE.agent || (localStorage.getItem("agent") ?? "");
  byId("agent").readOnly = Boolean(PAGE.agent);
  const before = localStorage.getItem("carrier") ?? "";
  if (before in PAGE.carriers) byId("carrier").value = before;
}

// -- 1. may I call? --------------------------------------------------------------------------------------------------

function closeSteps() {
  if (desk.call?.id) return; // what has begun goes on, whatever is typed into the first step
  for (const step of [byId("call-step"), byId("plan-step"), byId("place-step")]) step.disabled = true;
  desk.permit = "";
  already = [];
  showScript(null);
  byId("dial-said").replaceChildren();
}

/** One number's permit, as POST /v1/callable would answer it, with the token that the call names.
 * @param {string} msisdn */
async function askPermit(msisdn) {
  const answer = await call("POST", "/v1/permits", { carrier: carrier(), msisdns: [msisdn] });
  const [row] = answer.body.permits ?? [{}];
  return { answer, row };
}

/** @param {Event} [event] */
async function dial(event) {
  event?.preventDefault();
  if (desk.call?.id) return byId("end-call").focus();
  say(byId("refused"), "");
  say(byId("call-said"), "");
  const msisdn = byId("msisdn").value.trim();
  const [{ answer, row }, found] = await Promise.all([askPermit(msisdn), call("POST", "/desk/open", { msisdn })]);
  closeSteps();
  already = found.ok ? found.body.orders : [];
  const malformed = answer.status === 422;
  blame(byId("msisdn"), malformed ? numberTrouble(msisdn, word("problem.invalid_msisdn")) : "");
  const { called, outbound } = PAGE.carriers[carrier()];
  let text;
  if (!answer.ok) text = wrong(answer);
  else if (row.permit) text = `${word("desk.callable")}${word("desk.call_from", { outbound })}${word("desk.permit_until", { at: clock(row.until ?? "") })}`;
  else text = `${word(`dial.${row.denied}`)}${row.since ? word("desk.since", { at: dateAndClock(row.since) }) : ""}`;
  const good = Boolean(row.permit);
  if (!malformed) byId("dial-said").replaceChildren(make("strong", { className: `verdict ${good ? "good" : "bad"}`, title: called }, text));
  if (already.length && !malformed)
    byId("dial-said").append(make("p", { className: "warn" }, word("desk.open_already", { plans: already.map(({ name }) => name).join(word("ops.between")) })));
  if (!good) return byId("msisdn").focus();
  desk.permit = row.permit ?? "";
  byId("caller").value = outbound;
  byId("agent").value ||= PAGE.agent || (localStorage.getItem("agent") ?? "");
  byId("call-step").disabled = false;
  (byId("agent").value ? byId("begin") : byId("agent")).focus();
  primary();
  saveDraft();
}

// -- 2. the call has begun: what may be offered in it -----------------------------------------------------------------

async function startCall() {
  if (await beginCall()) await openPlans();
}

async function openPlans() {
  const answer = await call("GET", "/v1/plans");
  plans = answer.ok ? answer.body.items.filter((plan) => plan.carrier === theCall().body.carrier && plan.sale === "on_sale") : [];
  say(byId("plan-said"), answer.ok ? (plans.length ? "" : word("desk.no_plans")) : wrong(answer));
  /** @param {string} code */
  const has = (code) => (already.some(({ plan }) => plan === code) ? word("desk.has_already") : "");
  const choices = plans.map((plan) => make("option", { value: plan.code }, `${plan.name} · ${plan.reads.zh.price ?? ""}${has(plan.code)}`));
  byId("plan").replaceChildren(make("option", { value: "" }, word("desk.choose")), ...choices);
  byId("call-step").disabled = true;
  byId("plan-step").disabled = theCall().violations.length > 0;
  if (theCall().plan) {
    byId("plan").value = theCall().plan;
    choose();
  } else if (handed.plan && plans.some(({ code }) => code === handed.plan)) {
    byId("plan").value = handed.plan;
    choose();
  }
  (theCall().violations.length ? byId("end-call") : byId("plan")).focus();
}

function choose() {
  const plan = plans.find((each) => each.code === byId("plan").value);
  byId("place-step").disabled = !plan;
  if (desk.call && plan && desk.call.plan !== plan.code) keepCall({ ...desk.call, plan: plan.code, stamps: [] });
  showScript(plan ?? null, desk.call?.stamps ?? []);
}

// -- 3. and 4. the subscriber agrees, and placing -----------------------------------------------------------------------

/** @type {Record<string, string>} */
const FIELDS = { msisdn: "msisdn", plan: "plan", agent: "agent", agreed_at: "agreed" };

function request() {
  const { to: msisdn, agent } = theCall().body;
  const body = { msisdn, plan: byId("plan").value, agent, call_id: theCall().id, agreed_at: heldIn("agreed") };
  const text = JSON.stringify(body);
  const before = kept.read("placing");
  // The same request keeps its key, so that it is one order however often it is sent; a changed one is another.
  return before?.body === text ? before : { key: newKey("desk"), body: text };
}

/** @param {Event} [event] */
async function place(event) {
  event?.preventDefault();
  if (byId("place").disabled || !desk.call?.id) return;
  if (unread().length) return sayUnread();
  if (!byId("agreed").value)
    return showWrong([{ field: byId("agreed"), text: word("desk.fill", { name: labelOf(byId("agreed")) }) }], make("strong", {}, word("desk.fix")));
  await send(request());
}

/** Nobody agrees to what was not read to them: the script has the focus, and what is left is named. */
function sayUnread() {
  const left = unread();
  byId("wrong").replaceChildren(make("strong", { id: "unread" }, word("desk.unread", { n: left.length })));
  announce(word("desk.unread", { n: left.length }));
  byId("script").focus();
}

/** @param {{key:string, body:string}} pending */
async function send(pending) {
  kept.write("placing", pending);
  byId("place").disabled = true;
  say(byId("place"), word("desk.placing"));
  const answer = await call("POST", "/v1/orders", pending.body, { "Idempotency-Key": pending.key });
  byId("place").disabled = false;
  say(byId("place"), word("desk.place"));
  if (answer.ok) {
    kept.write("placing", null);
    keepOrder(answer.body);
    if (desk.call) keepCall({ ...desk.call, order: answer.body.id });
    return watch(answer.body, true);
  }
  // Refused: nothing is reserved. Anything else may have been taken: the same request stays, and is asked again.
  if (answer.status >= 400 && answer.status < 500) kept.write("placing", null);
  turnedAway(answer);
}

/** Errors beside their fields, and all of them in one place; the first one has the focus.
 * @param {Blamed[]} blamed
 * @param {...Child} above */
function showWrong(blamed, ...above) {
  for (const id of Object.values(FIELDS)) blame(byName(id), blamed.find(({ field }) => field.id === id)?.text ?? "");
  byId("wrong").replaceChildren(...above.filter((each) => each !== null), ...(blamed.length ? [summary(blamed)] : []));
  (blamed[0]?.field ?? byId("place")).focus();
}

/** @param {Answer<any>} answer */
function turnedAway(answer) {
  const uncertain = answer.status === 0 || answer.status >= 500;
  const lines = [make("strong", {}, wrong(answer)), uncertain ? make("p", {}, word("desk.uncertain")) : ""];
  const blamed = [];
  for (const each of answer.body.errors ?? []) {
    const field = byName(FIELDS[each.field] ?? "");
    const text = isWord(`problem.${each.code}`) ? word(`problem.${each.code}`) : each.message;
    if (field) blamed.push({ field, text: field.id === "msisdn" ? numberTrouble(field.value, text) : text });
    else lines.push(make("p", {}, text));
  }
  if (answer.body.order) lines.push(make("p", { className: "mono" }, answer.body.order));
  showWrong(blamed, ...lines);
}

// -- orders of today ----------------------------------------------------------------------------------------------------

function clearForms() {
  byId("placing").reset();
  byId("dial").reset();
  byId("recording").value = "";
  for (const id of DRAFTED) blame(byName(id), "");
  byId("wrong").replaceChildren();
  closeSteps();
  dropDraft();
  known();
}

/** An empty form for the next call. */
function nextCall() {
  leave();
  clearForms();
  byId("msisdn").focus();
}

// -- what a reload brings back, and what a softphone hands over --------------------------------------------------------

/** The form as it stood before a reload or a switch of language; a call that has begun goes on.
 * @param {{checked:boolean, fields:[string, string][]} | null} draft */
async function restore(draft) {
  const fields = Object.fromEntries(draft?.fields ?? []);
  for (const id of DRAFTED) if (id !== "plan" && id in fields) byName(id).value = fields[id];
  for (const id of INSTANTS) if (fields[id]) setInstant(id, new Date(fields[id]));
  if (desk.call?.id) {
    byId("carrier").value = desk.call.body.carrier;
    byId("caller").value = desk.call.body.from;
    await openPlans();
  } else if (draft?.checked) {
    await dial();
  }
  saveDraft();
}

/** @type {Record<string, string>} */
let handed = {};

/** A softphone opens /desk#msisdn=...&call=...&started=...&agent=...&carrier=...&plan=...&permit=... when a call begins, and
    /desk#ended=...&call=...&sha256=... when it is over: the fragment never leaves the browser, and is taken out of its
    history at once. */
async function handedOver() {
  const facts = Object.fromEntries(new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")));
  if (!facts.msisdn && !facts.ended) return false;
  history.replaceState(null, "", location.pathname);
  if (facts.ended) return hungUp(facts);
  if (desk.call?.id) {
    // the call before is ended first: nothing of it is lost
    askEnding();
    return true;
  }
  leave();
  clearForms();
  handed = facts;
  if (facts.carrier in PAGE.carriers) byId("carrier").value = facts.carrier;
  for (const [field, name] of [
    ["msisdn", "msisdn"],
    ["recording", "call"],
    ["agent", "agent"],
  ])
    byName(field).value = facts[name] ?? "";
  const started = new Date(facts.started ?? "");
  if (!Number.isNaN(started.getTime())) setInstant("started", started);
  await dial();
  if (!desk.permit || !facts.started) return true;
  // A permit is asked for before a call: the dialler's own stands for this one, else the door judges when it began.
  desk.permit = facts.permit ?? "";
  if (byId("started").value && byId("agent").value) await startCall();
  return true;
}

/** The softphone says that the call is over: an order was placed, so it is ended; else the agent says what came of it.
 * @param {Record<string, string>} facts */
async function hungUp({ ended: at, call: ref, sha256 }) {
  if (!desk.call?.id) return false;
  const over = new Date(at);
  if (ref) byId("recording").value = ref;
  keepCall({ ...desk.call, sha256, ended: Number.isNaN(over.getTime()) ? undefined : over.toISOString() });
  askEnding();
  if (desk.call.order && byId("recording").value.trim()) await endCall();
  return true;
}

/** The subscriber agrees: the instant is stamped, and what is left is to place. */
function agree() {
  if (byId("place-step").disabled || document.querySelector("dialog[open]") || byId("asking").hidden) return;
  if (unread().length) return sayUnread();
  // Not before the call, also where the server's clock set ours back since.
  setInstant("agreed", new Date(Math.max(now().getTime(), Date.parse(theCall().body.started_at))));
  byId("wrong").replaceChildren();
  blame(byId("agreed"), "");
  saveDraft();
  primary();
  byId("place").focus();
}

byId("dial").addEventListener("submit", dial);
byId("carrier").addEventListener("change", closeSteps);
byId("msisdn").addEventListener("input", closeSteps);
byId("plan").addEventListener("change", () => {
  byId("wrong").replaceChildren(); // it was of the plan before
  choose();
});
byId("begin").addEventListener("click", () => {
  if (!byId("started").value) setInstant("started", now());
  startCall();
});
byId("next").addEventListener("click", nextCall);
document.addEventListener("done", (event) => (/** @type {CustomEvent<boolean>} */ (event).detail ? showNext() : nextCall()));
byId("now-agreed").addEventListener("click", agree);
byId("placing").addEventListener("submit", place);
for (const kind of ["input", "change", "click"]) {
  byId("asking").addEventListener(kind, saveDraft);
  byId("ending").addEventListener(kind, () => desk.call && saveDraft());
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "F9" || event.repeat) return;
  event.preventDefault();
  agree();
});
showMine();
// After a reload: what was not answered is asked again, as it was; what was watched is watched on.
async function begin() {
  known();
  loadMine().then(learnNames);
  showCall();
  if (kept.read("placing")) return send(kept.read("placing"));
  if (await handedOver()) return;
  if (kept.read("watching")) return look(kept.read("watching"));
  if (kept.read("draft") || desk.call?.id) await restore(kept.read("draft"));
}
window.addEventListener("hashchange", handedOver);
begin();
isShown();
