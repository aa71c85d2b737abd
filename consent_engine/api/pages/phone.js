// The call itself: made known when it begins, ended with how it ended, its recording, and what was read when.
// It is kept in this window's session storage until it has ended, so that a reload goes on with it.
import { announce, blame, byId, call, isWord, labelOf, make, now, say, span, word, wrong } from "./common.js";
import { carrier, heldIn, kept, newKey } from "./fields.js";
import { desk, primary, theCall } from "./steps.js";

let unrecorded = false;

/** @param {DeskCall | null} call */
export function keepCall(call) {
  desk.call = call;
  kept.write("call", call);
  showCall();
}

export function showCall() {
  byId("call-bar").hidden = !desk.call?.id;
  primary();
  if (!desk.call?.id) return;
  const facts = {
    for: span(now().getTime() - Date.parse(desk.call.body.started_at)),
    digits: desk.call.body.to.slice(-4),
    carrier: word(`carrier.${desk.call.body.carrier}`),
  };
  say(byId("call-now"), word("desk.call_up", facts));
  say(
    byId("call-wrong"),
    desk.call.violations.length
      ? word("desk.call_wrong", { what: desk.call.violations.map((code) => word(`violation.${code}`)).join(word("ops.between")) })
      : "",
  );
}

/** Make the call known; return whether it is. The same request keeps its key: asked again, it is the same call. */
export async function beginCall() {
  if (desk.call?.id || byId("begin").disabled) return false;
  const wanted = [byId("agent"), byId("started")];
  const missing = wanted.filter((field) => !field.value.trim());
  for (const field of wanted) blame(field, missing.includes(field) ? word("desk.fill", { name: labelOf(field) }) : "");
  if (missing.length) {
    missing[0].focus();
    return false;
  }
  localStorage.setItem("agent", byId("agent").value.trim());
  localStorage.setItem("carrier", carrier());
  /** @type {DeskCall["body"]} */
  const body = {
    from: byId("caller").value,
    to: byId("msisdn").value.trim(),
    carrier: carrier(),
    agent: byId("agent").value.trim(),
    started_at: heldIn("started"),
  };
  if (desk.permit) body.permit = desk.permit;
  const same = desk.call && JSON.stringify(desk.call.body) === JSON.stringify(body);
  keepCall(same ? desk.call : { key: newKey("call"), body, stamps: [], violations: [], plan: "" });
  byId("begin").disabled = true;
  const answer = await call("POST", "/v1/calls", body, { "Idempotency-Key": theCall().key });
  byId("begin").disabled = false;
  say(byId("begin-wrong"), answer.ok ? "" : [wrong(answer), ...(answer.body.errors ?? []).map(problemOf)].join(" "));
  if (answer.ok) keepCall({ ...theCall(), id: answer.body.id, violations: answer.body.violations });
  else byId("begin").focus();
  return answer.ok;
}

/** @param {Api.FieldProblem} each */
const problemOf = (each) => (isWord(`problem.${each.code}`) ? word(`problem.${each.code}`) : each.message);

/** This call is done. stays: its order is watched on, instead of the form for the next call
 * @param {boolean} stays */
export const goOn = (stays) => document.dispatchEvent(new CustomEvent("done", { detail: stays }));

/** How the call ended, as far as this page knows. */
function outcomeNow() {
  if (theCall().order) return "agreed";
  if (theCall().refused) return "refused";
  return byId("plan").value ? "declined" : "no_answer";
}

export function askEnding() {
  const dialog = byId("ending");
  if (!desk.call?.id || document.querySelector("dialog[open]")) return;
  unrecorded = false;
  byId("outcome").value = outcomeNow();
  byId("ending-wrong").replaceChildren();
  blame(byId("recording"), "");
  dialog.showModal();
  (byId("recording").value.trim() ? byId("end-do") : byId("recording")).focus();
}

/** The stamps lie within the call, also where the softphone's clock is a little ahead of the page's.
 * @param {string} ended */
function disclosuresUntil(ended) {
  /** @param {string} at */
  const within = (at) => new Date(Math.min(Math.max(Date.parse(at), Date.parse(theCall().body.started_at)), Date.parse(ended))).toISOString();
  return theCall().stamps.map(({ id, at }) => ({ id, at: within(at) }));
}

/** @param {string} ended */
function endingBody(ended) {
  /** @type {Api.EndCall} */
  const body = { ended_at: ended, outcome: /** @type {Api.CallOutcome} */ (byId("outcome").value), disclosures: disclosuresUntil(ended) };
  const plan = theCall().plan || byId("plan").value;
  if (plan && body.outcome !== "no_answer") body.plan = plan;
  const ref = byId("recording").value.trim();
  const seconds = Math.max(0, Math.round((Date.parse(ended) - Date.parse(theCall().body.started_at)) / 1000));
  if (ref) body.recording = { ref, seconds, ...(theCall().sha256 ? { sha256: theCall().sha256 } : {}) };
  return body;
}

/** @param {Event} [event] */
export async function endCall(event) {
  event?.preventDefault();
  if (byId("end-do").disabled) return;
  const noRecording = !byId("recording").value.trim() && byId("outcome").value !== "no_answer";
  if (noRecording && !unrecorded) {
    unrecorded = true;
    blame(byId("recording"), word("desk.no_recording"));
    return byId("recording").focus();
  }
  const over = new Date(Math.max(now().getTime(), Date.parse(theCall().body.started_at))); // where the clock was set back since
  const body = endingBody(theCall().ended ?? over.toISOString());
  // The instant stays as it was first said: an end that is sent again is the same end.
  keepCall({ ...theCall(), ended: body.ended_at });
  byId("end-do").disabled = true;
  const answer = await call("POST", `/v1/calls/${theCall().id}/end`, body);
  byId("end-do").disabled = false;
  if (answer.ok) return ended(answer.body);
  const kept = answer.body.refusals_kept ? [make("p", { className: "good" }, word("desk.refusal_kept"))] : [];
  const wrongs = (answer.body.errors ?? []).map((each) => make("p", {}, problemOf(each)));
  byId("ending-wrong").replaceChildren(...kept, wrong(answer), ...wrongs);
  if (answer.status >= 400 && answer.status < 500) keepCall({ ...theCall(), ended: undefined });
  // It is over all the same: nothing that the page can say will change it.
  if (["already_ended", "call_abandoned", "call_not_found"].includes(String(answer.body.code))) keepCall(null);
}

/** @param {Api.CallView} view */
function ended(view) {
  const stays = Boolean(theCall().order);
  keepCall(null);
  if (byId("ending").open) byId("ending").close();
  const wrongs = view.violations.map((code) => word(`violation.${code}`)).join(word("ops.between"));
  const told = word("desk.ended", { outcome: word(`outcome.${view.outcome}`) }) + (wrongs ? word("desk.call_wrong", { what: wrongs }) : "");
  byId("call-said").className = wrongs ? "bad" : "good";
  say(byId("call-said"), told);
  announce(told);
  goOn(stays);
}

byId("end-call").addEventListener("click", askEnding);
byId("ending-form").addEventListener("submit", endCall);
byId("ending-back").addEventListener("click", () => byId("ending").close());
document.addEventListener("keydown", (event) => {
  if (event.key !== "F2" || event.repeat) return;
  event.preventDefault();
  askEnding();
});
setInterval(showCall, 1000);
