// The script, line by line: each disclosure is stamped as it is read (Space), and the stamps are kept with the call.
import { announce, byId, byName, clock, fit, isWord, make, now, PAGE, say, targetOf, word } from "./common.js";
import { keepCall } from "./phone.js";
import { desk, primary, unread } from "./steps.js";

/** What is to be read of a plan before its subscriber is asked: every disclosure, how it goes on, how to end such calls.
 * @param {Api.PlanView} plan */
function linesOf(plan) {
  const facts = { ...PAGE.carriers[plan.carrier], carrier: PAGE.carriers[plan.carrier].called, name: plan.name, agent: byId("agent").value.trim() };
  const told = Object.entries(plan.reads.zh)
    .filter(([field]) => isWord(`script.${field}`))
    .map(([id, words]) => ({ id, text: word(`script.${id}`, { told: words.replace(/。$/, "") }), labelled: true }));
  /** @param {string} id */
  const says = (id) => ({ id, text: word(`script.${id}`, facts) });
  return [says("hello"), ...told, says("then"), says("end"), says("ask")];
}

/** @param {ScriptLine} line */
function lineElement({ text, labelled }) {
  const label = labelled ? text.slice(0, text.indexOf("：") + 1) : "";
  return make("li", {}, make("p", {}, label ? make("strong", {}, label) : "", text.slice(label.length)), make("time"));
}

/** Show a plan's script; before: the stamps of a call that a reload brought back.
 * @param {Api.PlanView | null} plan
 * @param {Stamp[]} before */
export function showScript(plan, before = []) {
  desk.lines = plan ? linesOf(plan) : [];
  desk.stamps = desk.lines.slice(0, before.length).every(({ id }, n) => before[n]?.id === id) ? before.slice(0, desk.lines.length) : [];
  byId("script-step").hidden = !plan;
  byId("script").replaceChildren();
  showStamps();
}

function showStamps() {
  fit(
    byId("script"),
    desk.lines,
    ({ id }) => id,
    lineElement,
    (item, { id }) => {
      const at = desk.stamps.find((each) => each.id === id)?.at;
      const isNext = id === unread()[0]?.id;
      item.className = at ? "read" : isNext ? "now" : "";
      if (isNext) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
      say(item.querySelector("time"), at ? word("desk.read_at", { at: clock(at) }) : "");
    },
  );
  byId("stamp").disabled = !unread().length;
  byId("unstamp").disabled = !desk.stamps.length;
  say(byId("stamped"), word("desk.stamped", { n: desk.stamps.length, of: desk.lines.length }));
  const told = byName("unread"); // what was said of unread lines goes when they are read
  if (told && unread().length) say(told, word("desk.unread", { n: unread().length }));
  else told?.remove();
  primary();
}

function stamp() {
  const [next] = unread();
  if (!next || !desk.call) return;
  desk.stamps = [...desk.stamps, { id: next.id, at: now().toISOString() }];
  keepStamps();
  const [after] = unread();
  announce(after ? after.text : word("desk.all_read"));
  const shown = byId("script").children[desk.stamps.length] ?? byId("script").lastElementChild;
  shown.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function keepStamps() {
  if (desk.call) keepCall({ ...desk.call, stamps: desk.stamps });
  showStamps();
}

/** Space turns to the next line from anywhere but where it has a meaning of its own.
 * @param {HTMLElement} target */
function isTyping(target) {
  if (target.id === "plan") return !byId("plan").value;
  return target.matches("input, textarea, select, button, a, summary");
}

byId("stamp").addEventListener("click", stamp);
byId("unstamp").addEventListener("click", () => {
  desk.stamps = desk.stamps.slice(0, -1);
  keepStamps();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey || !byId("keys-on").checked) return;
  if (byId("script-step").hidden || byId("asking").hidden || document.querySelector("dialog[open]") || isTyping(targetOf(event))) return;
  event.preventDefault();
  if (!event.repeat) stamp();
});
