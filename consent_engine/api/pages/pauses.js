// /ops, stopped lanes and gateways: stopped and let go on here, with a reason that is kept.
import { all, announce, byId, byName, call, hear, make, PAGE, say, word, wrongField } from "./common.js";

const mayStop = ["ops", "admin"].includes(PAGE.role);
/** @param {{to:string, name:string}} each */
const stoppedName = (each) => (each.to === "lane" ? word(`lane.${each.name}`) : each.name);
/** @type {Api.PauseRow[]} */
let stopped = []; // what stands still, as the board said last
/** @type {Done | null} */
let whenSaid = null; // what is done with the reason once it was given

/**
 * @param {string} to
 * @param {string} name */
export const stands = (to, name) => stopped.some((each) => each.to === to && each.name === name);

/** What was done is to be seen at once: the board asks again. */
export const acted = () => document.dispatchEvent(new Event("acted"));

/** Ask for a reason, then act: `act` is given it, and answers with what is wrong, or with nothing. undoable: can be taken back
 * @param {string} title
 * @param {string} hint
 * @param {string} button
 * @param {Done} act
 * @param {boolean} undoable */
export function askWhy(title, hint, button, act, undoable = true) {
  whenSaid = act;
  byId("why-do").className = undoable ? "main" : "danger";
  for (const [id, text] of [
    ["why-title", title],
    ["why-hint", hint],
    ["why-do", button],
    ["why-wrong", ""],
  ])
    say(byName(id), text);
  byId("why-reason").value = "";
  byId("why").showModal();
  byId("why-reason").focus();
}

/**
 * @param {string} to
 * @param {string} name
 * @param {boolean} go */
function stopOrGo(to, name, go) {
  const facts = { name: stoppedName({ to, name }) };
  const [title, hint, button] = go
    ? /** @type {const} */ (["paused.resume_title", "paused.resume_hint", "paused.resume"])
    : /** @type {const} */ (["paused.stop_title", "paused.stop_hint", "paused.stop"]);
  askWhy(word(title, facts), word(hint), word(button), async (reason) => {
    const answer = await call("POST", go ? "/v1/pauses/resume" : "/v1/pauses", { to, name, reason });
    // Stopped or let go on by somebody else meanwhile: it is as it was wanted.
    if (!answer.ok && answer.body.code !== "not_paused") return wrongField(answer);
    announce(word(go ? "paused.went_on" : "paused.stopped", facts));
    return "";
  });
}

/** The button beside a lane or a gateway: it stops it, or lets it go on.
 * @param {string} to
 * @param {string} name */
export function pauseButton(to, name) {
  if (!mayStop) return "";
  const button = make("button", { type: "button", className: "quiet stop" });
  button.dataset.stop = `${to} ${name}`;
  button.addEventListener("click", () => stopOrGo(to, name, stands(to, name)));
  return button;
}

/** What a person stopped is let go on from the line that says so.
 * @param {Line[]} lines */
function offerResume(lines) {
  for (const { key, paused } of mayStop ? lines : []) {
    const [row] = all(`[data-key="${CSS.escape(key)}"]`, byId("banner"));
    if (!paused || row.querySelector("button")) continue;
    const [to, ...rest] = paused.split(" ");
    const go = make("button", { type: "button", className: "quiet" }, word("paused.resume"));
    go.addEventListener("click", () => stopOrGo(to, rest.join(" "), true));
    row.append(" ", go);
  }
}
hear("/news", { banner: offerResume });

/** @param {Board} board */
export function showPaused(board) {
  stopped = board.paused;
  for (const button of all("[data-stop]")) {
    const [to, ...rest] = (button.dataset.stop ?? "").split(" ");
    const name = rest.join(" ");
    say(button, word(stands(to, name) ? "paused.resume" : "paused.stop"));
    button.setAttribute("aria-label", word(stands(to, name) ? "paused.resume_title" : "paused.stop_title", { name: stoppedName({ to, name }) }));
  }
}

byId("why-back").addEventListener("click", () => byId("why").close());
byId("asking-why").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("why-do").disabled = true;
  const trouble = await whenSaid?.(byId("why-reason").value.trim());
  byId("why-do").disabled = false;
  if (trouble) return say(byId("why-wrong"), trouble);
  byId("why").close();
  acted();
});
