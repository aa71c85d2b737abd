// A refusal said on the phone, at two keys from anywhere on /desk: F8, Enter.
import { blame, byId, call, say, word, wrong, wrongField } from "./common.js";
import { numberTrouble } from "./fields.js";
import { askEnding, goOn, keepCall } from "./phone.js";
import { desk, theCall } from "./steps.js";

function askRefusal() {
  const dialog = byId("refusal");
  if (document.querySelector("dialog[open]")) return;
  byId("refused-number").value = desk.order ? desk.order.msisdn : (desk.call?.body.to ?? byId("msisdn").value.trim());
  byId("refused-carrier").value = desk.order ? desk.order.carrier : byId("carrier").value;
  say(byId("refused"), "");
  blame(byId("refused-number"), "");
  byId("refusal-wrong").replaceChildren();
  dialog.showModal();
  (byId("refused-number").value ? byId("refuse-do") : byId("refused-number")).focus();
}

/** @param {Event} event */
async function refuse(event) {
  event.preventDefault();
  if (byId("refuse-do").disabled) return;
  const [number, carrier] = [byId("refused-number"), byId("refused-carrier").value];
  const [agent, recording] = [byId("agent"), byId("recording")].map((field) => field.value.trim());
  /** @type {Record<string, string>} */
  const body = { msisdn: number.value.trim(), channel: "voice" };
  if (carrier) body.carrier = carrier;
  if (agent) body.agent = agent;
  if (recording) body.call = recording;
  byId("refuse-do").disabled = true;
  const answer = await call("POST", "/v1/refusals", body);
  byId("refuse-do").disabled = false;
  byId("refusal-wrong").replaceChildren();
  if (answer.ok) {
    byId("refusal").close();
    say(byId("refused"), word("desk.refused"));
    if (desk.call?.id) {
      // what is left of the call is its end
      keepCall({ ...theCall(), refused: true });
      return askEnding();
    }
    return goOn(Boolean(desk.order));
  }
  const atNumber = answer.status === 422 && (answer.body.errors ?? []).some((/** @type {Api.FieldProblem} */ each) => each.field === "msisdn");
  blame(number, atNumber ? numberTrouble(number.value, wrong(answer)) : "");
  if (atNumber) return number.focus();
  say(byId("refusal-wrong"), wrongField(answer));
}

byId("refuse").addEventListener("click", askRefusal);
byId("refusing").addEventListener("submit", refuse);
byId("refuse-back").addEventListener("click", () => byId("refusal").close());
document.addEventListener("keydown", (event) => {
  if (event.key !== "F8" || event.repeat) return;
  event.preventDefault();
  askRefusal();
});
