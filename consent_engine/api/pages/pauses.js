"use strict";
// /ops, stopped lanes and gateways: said on top of every page; stopped and let go on here, with a reason that is kept.
const mayStop = ["ops", "admin"].includes(PAGE.role);
const stoppedName = (each) => (each.to === "lane" ? word(`lane.${each.name}`) : each.name);
let stopped = []; // what stands still, as the board said last
let whenSaid = null; // what is done with the reason once it was given

const stands = (to, name) => stopped.some((each) => each.to === to && each.name === name);

/** Ask for a reason, then act: `act` is given it, and answers with what is wrong, or with nothing. undoable: can be taken back */
function askWhy(title, hint, button, act, undoable = true) {
  whenSaid = act;
  byId("why-do").className = undoable ? "main" : "danger";
  for (const [id, text] of [["why-title", title], ["why-hint", hint], ["why-do", button], ["why-wrong", ""]]) say(byId(id), text);
  byId("why-reason").value = "";
  byId("why").showModal();
  byId("why-reason").focus();
}

function stopOrGo(to, name, go) {
  const facts = { name: stoppedName({ to, name }) };
  const [title, hint, button] = go ? ["paused.resume_title", "paused.resume_hint", "paused.resume"] : ["paused.stop_title", "paused.stop_hint", "paused.stop"];
  askWhy(word(title, facts), word(hint), word(button), async (reason) => {
    const answer = await call("POST", go ? "/v1/pauses/resume" : "/v1/pauses", { to, name, reason });
    // Stopped or let go on by somebody else meanwhile: it is as it was wanted.
    if (!answer.ok && answer.body.code !== "not_paused") return wrongField(answer);
    announce(word(go ? "paused.went_on" : "paused.stopped", facts));
    return "";
  });
}

/** The button beside a lane or a gateway: it stops it, or lets it go on. */
function pauseButton(to, name) {
  if (!mayStop) return "";
  const button = make("button", { type: "button", className: "quiet stop" });
  button.dataset.stop = `${to} ${name}`;
  button.addEventListener("click", () => stopOrGo(to, name, stands(to, name)));
  return button;
}

function pausedRow(each) {
  const row = make("li", {}, make("span"));
  if (mayStop) {
    const go = make("button", { type: "button", className: "quiet" }, word("paused.resume"));
    go.addEventListener("click", () => stopOrGo(each.to, each.name, true));
    row.append(" ", go);
  }
  return row;
}

function showPaused(board) {
  stopped = board.paused;
  if (stopped.length || byId("paused").querySelector("[data-key]")) {
    fit(byId("paused"), stopped, (each) => `${each.to} ${each.name}`, pausedRow, (row, each) => {
      const says = word(`paused.${each.to}`, { name: stoppedName(each), at: dateAndClock(each.since).slice(0, 16), by: each.by, reason: each.reason });
      const drains = Date.parse(each.drained) > Date.parse(board.at) ? word("paused.draining", { at: clock(each.drained) }) : word("paused.drained");
      say(row.firstChild, says + drains);
    });
  } else byId("paused").replaceChildren();
  byId("paused").hidden = stopped.length === 0;
  for (const button of document.querySelectorAll("[data-stop]")) {
    const [to, ...rest] = button.dataset.stop.split(" ");
    const name = rest.join(" ");
    say(button, word(stands(to, name) ? "paused.resume" : "paused.stop"));
    button.setAttribute("aria-label", word(stands(to, name) ? "paused.resume_title" : "paused.stop_title", { name: stoppedName({ to, name }) }));
  }
}

byId("why-back").addEventListener("click", () => byId("why").close());
byId("asking-why").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("why-do").disabled = true;
  const trouble = await whenSaid(byId("why-reason").value.trim());
  byId("why-do").disabled = false;
  if (trouble) return say(byId("why-wrong"), trouble);
  byId("why").close();
  await refresh();
});
