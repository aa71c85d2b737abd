"use strict";
// /desk: may I call? - read aloud - place - and the order's life, live. The number stands in the form only; while a
// request is unanswered it is kept in this window's session storage, so that a reload asks the same again.
const TOLD = ["price", "scenario", "validity", "restrictions", "unsubscribe"];
let plans = [];

// -- 1. may I call? --------------------------------------------------------------------------------------------------

const carrier = () => byId("carrier").value;

function closeSteps() {
  for (const id of ["plan-step", "call-step", "place-step"]) byId(id).disabled = true;
  byId("script-step").hidden = true;
  byId("dial-said").replaceChildren();
}

async function dial(event) {
  event.preventDefault();
  const msisdn = byId("msisdn").value.trim();
  const answer = await call("POST", "/v1/callable", { msisdn, carrier: carrier() });
  closeSteps();
  mark(byId("msisdn"), !answer.ok && answer.status === 422);
  const { called, outbound } = PAGE.carriers[carrier()];
  let text;
  if (!answer.ok) text = wrong(answer);
  else if (answer.body.callable) text = `${word("desk.callable")} ${word("desk.call_from", { outbound })}`;
  else text = `${answer.body.reason === "suspected" ? word("desk.suspected") : word("desk.not_callable")}${word("desk.since", { at: dateAndClock(answer.body.since) })}`;
  const good = answer.ok && answer.body.callable;
  byId("dial-said").replaceChildren(make("strong", { className: `verdict ${good ? "good" : "bad"}`, title: called }, text));
  if (good) await openSteps(outbound);
  else byId("msisdn").focus();
}

async function openSteps(outbound) {
  const answer = await call("GET", "/v1/plans");
  plans = answer.ok ? answer.body.items.filter((plan) => plan.carrier === carrier() && plan.sale === "on_sale") : [];
  say(byId("plan-said"), answer.ok ? (plans.length ? "" : word("desk.no_plans")) : wrong(answer));
  const choices = plans.map((plan) => make("option", { value: plan.code }, `${plan.name} · ${plan.price}`));
  byId("plan").replaceChildren(make("option", { value: "" }, word("desk.choose")), ...choices);
  byId("caller").value = outbound;
  byId("agent").value ||= localStorage.getItem("agent") ?? "";
  byId("started").value ||= local(now());
  byId("plan-step").disabled = false;
  byId("plan").focus();
}

// -- 2. the script ---------------------------------------------------------------------------------------------------

function choose() {
  const plan = plans.find((each) => each.code === byId("plan").value);
  byId("call-step").disabled = byId("place-step").disabled = !plan;
  byId("script-step").hidden = !plan;
  if (!plan) return;
  const facts = { ...PAGE.carriers[plan.carrier], carrier: PAGE.carriers[plan.carrier].called, name: plan.name };
  const told = TOLD.map((field) => {
    const line = word(`script.${field}`, { told: plan[field] });
    const label = line.slice(0, line.indexOf("：") + 1);
    return make("p", {}, make("strong", {}, label), line.slice(label.length));
  });
  const says = (name) => make("p", {}, word(`script.${name}`, facts));
  byId("script").replaceChildren(says("hello"), ...told, says("ask"), says("then"), says("end"));
}

// -- 3. and 4. the call, and placing ---------------------------------------------------------------------------------

/** An instant as the field writes it: in the desk's own time, to the second. */
function local(at) {
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** What the field says, as the API wants it: RFC 3339 with the desk's offset. */
function instantOf(field) {
  const text = byId(field).value;
  if (!text) return "";
  const offset = -new Date(text).getTimezoneOffset();
  const sign = offset < 0 ? "-" : "+";
  const size = Math.abs(offset);
  return `${text.length === 16 ? `${text}:00` : text}${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

function mark(field, bad) {
  if (bad) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

const FIELDS = { msisdn: "msisdn", plan: "plan", agent: "agent", "call.recording_id": "recording",
  "call.started_at": "started", "call.agreed_at": "agreed", "call.caller_number": "caller" };

function request() {
  const body = {
    msisdn: byId("msisdn").value.trim(), plan: byId("plan").value, agent: byId("agent").value.trim(),
    call: { caller_number: byId("caller").value, recording_id: byId("recording").value.trim(),
      started_at: instantOf("started"), agreed_at: instantOf("agreed") },
  };
  const text = JSON.stringify(body);
  const before = kept.read("placing");
  // The same request keeps its key, so that it is one order however often it is sent; a changed one is another.
  return before?.body === text ? before : { key: `desk-${crypto.randomUUID?.() ?? random()}`, body: text };
}

/** As good a name as randomUUID, which browsers give to https pages only. */
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function place(event) {
  event?.preventDefault();
  if (byId("place").disabled) return;
  const missing = ["agent", "recording", "started", "agreed"].filter((id) => !byId(id).value.trim());
  for (const id of Object.values(FIELDS)) mark(byId(id), missing.includes(id));
  if (missing.length) {
    const names = missing.map((id) => document.querySelector(`label[for=${id}]`).textContent);
    byId("wrong").replaceChildren(`${word("desk.fix")}: ${names.join(", ")}`);
    return byId(missing[0]).focus();
  }
  localStorage.setItem("agent", byId("agent").value.trim());
  await send(request());
}

async function send(pending) {
  kept.write("placing", pending);
  byId("place").disabled = true;
  say(byId("place"), word("desk.placing"));
  const answer = await call("POST", "/v1/orders", pending.body, { "Idempotency-Key": pending.key });
  byId("place").disabled = false;
  say(byId("place"), word("desk.place"));
  if (answer.ok) {
    kept.write("placing", null);
    keep(answer.body);
    byId("placing").reset();
    byId("dial").reset();
    closeSteps();
    return watch(answer.body, true);
  }
  // Refused: nothing is reserved. Anything else may have been taken: the same request stays, and is asked again.
  if (answer.status >= 400 && answer.status < 500) kept.write("placing", null);
  refuse(answer);
}

function refuse(answer) {
  const uncertain = answer.status === 0 || answer.status >= 500;
  const lines = [make("strong", {}, wrong(answer)), uncertain ? make("p", {}, word("desk.uncertain")) : ""];
  for (const each of answer.body.errors ?? []) {
    const field = byId(FIELDS[each.field] ?? "");
    if (field) mark(field, true);
    const label = field && document.querySelector(`label[for=${field.id}]`).textContent;
    const text = `problem.${each.code}` in PAGE.words ? word(`problem.${each.code}`) : each.message;
    lines.push(make("p", {}, label ? `${label}: ${text}` : text));
  }
  if (answer.body.order) lines.push(make("p", { className: "mono" }, answer.body.order));
  byId("wrong").replaceChildren(...lines.filter(Boolean));
  (document.querySelector("#placing [aria-invalid]") ?? byId("place")).focus();
}

// -- orders of this window ------------------------------------------------------------------------------------------

function keep(placed) {
  const mine = (kept.read("mine") ?? []).filter((each) => each.id !== placed.id);
  kept.write("mine", [{ id: placed.id, at: placed.created_at, plan: placed.plan.code }, ...mine].slice(0, 10));
  kept.write("watching", placed.id);
  showMine();
}

function showMine() {
  const mine = kept.read("mine") ?? [];
  byId("mine").hidden = mine.length === 0;
  fit(byId("mine-list"), mine, (each) => each.id, (each) =>
    make("li", {}, `${clock(each.at)} · ${each.plan} · `, make("button", { type: "button", className: "link", onclick: () => look(each.id) }, each.id)));
}

byId("dial").addEventListener("submit", dial);
byId("carrier").addEventListener("change", closeSteps);
byId("msisdn").addEventListener("input", closeSteps);
byId("plan").addEventListener("change", choose);
byId("now-started").addEventListener("click", () => (byId("started").value = local(now())));
byId("now-agreed").addEventListener("click", () => (byId("agreed").value = local(now())));
byId("placing").addEventListener("submit", place);
showMine();
// After a reload: what was not answered is asked again, as it was; what was watched is watched on.
if (kept.read("placing")) send(kept.read("placing"));
else if (kept.read("watching")) look(kept.read("watching"));
