"use strict";
// /desk: may I call? - read aloud - place - and the order's life, live. A request that is unanswered is kept in this
// window's session storage, so that a reload asks the same again.
let plans = [];

// -- 1. may I call? --------------------------------------------------------------------------------------------------

const carrier = () => byId("carrier").value;

function closeSteps() {
  for (const id of ["plan-step", "call-step", "place-step"]) byId(id).disabled = true;
  byId("script-step").hidden = true;
  byId("dial-said").replaceChildren();
}

async function dial(event) {
  event?.preventDefault();
  say(byId("refused"), "");
  const msisdn = byId("msisdn").value.trim();
  const answer = await call("POST", "/v1/callable", { msisdn, carrier: carrier() });
  closeSteps();
  const malformed = answer.status === 422;
  blame(byId("msisdn"), malformed ? numberTrouble(msisdn, wrong(answer)) : "");
  const { called, outbound } = PAGE.carriers[carrier()];
  let text;
  if (!answer.ok) text = wrong(answer);
  else if (answer.body.callable) text = `${word("desk.callable")} ${word("desk.call_from", { outbound })}`;
  else text = `${word(`dial.${answer.body.reason}`)}${word("desk.since", { at: dateAndClock(answer.body.since) })}`;
  const good = answer.ok && answer.body.callable;
  if (!malformed) byId("dial-said").replaceChildren(make("strong", { className: `verdict ${good ? "good" : "bad"}`, title: called }, text));
  if (good) await openSteps(outbound);
  else byId("msisdn").focus();
}

async function openSteps(outbound) {
  const answer = await call("GET", "/v1/plans");
  plans = answer.ok ? answer.body.items.filter((plan) => plan.carrier === carrier() && plan.sale === "on_sale") : [];
  say(byId("plan-said"), answer.ok ? (plans.length ? "" : word("desk.no_plans")) : wrong(answer));
  const choices = plans.map((plan) => make("option", { value: plan.code }, `${plan.name} · ${plan.reads.zh.price ?? ""}`));
  byId("plan").replaceChildren(make("option", { value: "" }, word("desk.choose")), ...choices);
  byId("caller").value = outbound;
  byId("agent").value ||= localStorage.getItem("agent") ?? "";
  byId("started").value ||= local(now());
  byId("plan-step").disabled = false;
  byId("plan").focus();
  saveDraft();
}

// -- 2. the script ---------------------------------------------------------------------------------------------------

function choose() {
  const plan = plans.find((each) => each.code === byId("plan").value);
  byId("call-step").disabled = byId("place-step").disabled = !plan;
  byId("script-step").hidden = !plan;
  if (!plan) return;
  const facts = { ...PAGE.carriers[plan.carrier], carrier: PAGE.carriers[plan.carrier].called, name: plan.name };
  const told = Object.entries(plan.reads.zh).filter(([field]) => `script.${field}` in PAGE.words).map(([field, words]) => {
    const line = word(`script.${field}`, { told: words.replace(/。$/, "") });
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
  const blamed = missing.map(byId).map((field) => ({ field, text: word("desk.fill", { name: labelOf(field) }) }));
  if (blamed.length) return showWrong(blamed, make("strong", {}, word("desk.fix")));
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
    clearForms();
    return watch(answer.body, true);
  }
  // Refused: nothing is reserved. Anything else may have been taken: the same request stays, and is asked again.
  if (answer.status >= 400 && answer.status < 500) kept.write("placing", null);
  turnedAway(answer);
}

/** Errors beside their fields, and all of them in one place; the first one has the focus. */
function showWrong(blamed, ...above) {
  for (const id of Object.values(FIELDS)) blame(byId(id), blamed.find(({ field }) => field.id === id)?.text ?? "");
  byId("wrong").replaceChildren(...above.filter(Boolean), ...(blamed.length ? [summary(blamed)] : []));
  (blamed[0]?.field ?? byId("place")).focus();
}

function turnedAway(answer) {
  const uncertain = answer.status === 0 || answer.status >= 500;
  const lines = [make("strong", {}, wrong(answer)), uncertain ? make("p", {}, word("desk.uncertain")) : ""];
  const blamed = [];
  for (const each of answer.body.errors ?? []) {
    const field = byId(FIELDS[each.field] ?? "");
    const text = `problem.${each.code}` in PAGE.words ? word(`problem.${each.code}`) : each.message;
    if (field) blamed.push({ field, text: field.id === "msisdn" ? numberTrouble(field.value, text) : text });
    else lines.push(make("p", {}, text));
  }
  if (answer.body.order) lines.push(make("p", { className: "mono" }, answer.body.order));
  showWrong(blamed, ...lines);
}

// -- orders of this window ------------------------------------------------------------------------------------------

function clearForms() {
  byId("placing").reset();
  byId("dial").reset();
  for (const id of Object.values(FIELDS)) blame(byId(id), "");
  closeSteps();
  dropDraft();
}

/** An empty form for the next call. */
function nextCall() {
  clearForms();
  byId("msisdn").focus();
}

function keep(placed) {
  const mine = (kept.read("mine") ?? []).filter((each) => each.id !== placed.id);
  const tail = placed.msisdn.slice(-4);
  kept.write("mine", [{ id: placed.id, at: placed.created_at, plan: placed.plan.code, tail }, ...mine].slice(0, 10));
  kept.write("watching", placed.id);
  showMine();
}

function showMine() {
  const mine = kept.read("mine") ?? [];
  byId("mine").hidden = mine.length === 0;
  fit(byId("mine-list"), mine, (each) => each.id, (each) =>
    make("li", {}, `${clock(each.at)} · ${each.plan} · ${word("desk.tail", { digits: each.tail })} · `,
      make("button", { type: "button", className: "link", title: each.id, onclick: () => look(each.id) }, `…${each.id.slice(-6)}`)));
}

// -- what a reload brings back, and what a softphone hands over --------------------------------------------------------

/** The form as it stood before a reload or a switch of language. */
async function restore(draft) {
  const fields = Object.fromEntries(draft.fields);
  for (const id of DRAFTED) if (id !== "plan") byId(id).value = fields[id];
  if (!draft.checked) return;
  await dial();
  byId("plan").value = fields.plan;
  choose();
  saveDraft();
}

/** A softphone opens /desk#msisdn=...&call=...&started=...&agent=...&carrier=... : the fragment never leaves the browser,
    and is taken out of its history at once. */
async function handedOver() {
  const facts = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  if (!facts.get("msisdn")) return false;
  history.replaceState(null, "", location.pathname);
  clearForms();
  if (facts.get("carrier") in PAGE.carriers) byId("carrier").value = facts.get("carrier");
  for (const [field, name] of [["msisdn", "msisdn"], ["recording", "call"], ["agent", "agent"]]) byId(field).value = facts.get(name) ?? "";
  const started = new Date(facts.get("started") ?? "");
  if (!Number.isNaN(started.getTime())) byId("started").value = local(started);
  await dial();
  return true;
}

/** The subscriber agrees: the instant is stamped, and the focus goes to what is still missing. */
function agree() {
  if (byId("call-step").disabled || byId("refusal").open) return;
  byId("agreed").value = local(now());
  blame(byId("agreed"), "");
  saveDraft();
  (["agent", "recording"].map(byId).find((field) => !field.value.trim()) ?? byId("place")).focus();
}

byId("dial").addEventListener("submit", dial);
byId("carrier").addEventListener("change", closeSteps);
byId("msisdn").addEventListener("input", closeSteps);
byId("plan").addEventListener("change", choose);
byId("now-started").addEventListener("click", () => (byId("started").value = local(now())));
byId("now-agreed").addEventListener("click", agree);
byId("placing").addEventListener("submit", place);
for (const kind of ["input", "change", "click"]) byId("asking").addEventListener(kind, () => byId("asking").hidden || saveDraft());
document.addEventListener("keydown", (event) => {
  if (event.key !== "F9" || event.repeat) return;
  event.preventDefault();
  agree();
});
showMine();
// After a reload: what was not answered is asked again, as it was; what was watched is watched on.
async function begin() {
  if (kept.read("placing")) return send(kept.read("placing"));
  if (await handedOver()) return;
  if (kept.read("watching")) return look(kept.read("watching"));
  if (kept.read("draft")) await restore(kept.read("draft"));
}
window.addEventListener("hashchange", handedOver);
begin();
