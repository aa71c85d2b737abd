"use strict";
// /ops, stopped lanes and gateways: said on top of every page; stopped and let go on here, with a reason that is kept.
const mayStop = ["ops", "admin"].includes(PAGE.role);
const stoppedName = (each) => (each.to === "lane" ? word(`lane.${each.name}`) : each.name);
let stopped = []; // what stands still, as the board said last
let wantedStop = null; // {to, name, go}: what the dialog is about

const stands = (to, name) => stopped.some((each) => each.to === to && each.name === name);

function askWhy(to, name, go) {
  wantedStop = { to, name, go };
  const facts = { name: stoppedName({ to, name }) };
  say(byId("pausing-title"), word(go ? "paused.resume_title" : "paused.stop_title", facts));
  say(byId("pausing-hint"), word(go ? "paused.resume_hint" : "paused.stop_hint"));
  say(byId("pausing-do"), word(go ? "paused.resume" : "paused.stop"));
  say(byId("pausing-wrong"), "");
  byId("pausing-reason").value = "";
  byId("pausing").showModal();
  byId("pausing-reason").focus();
}

/** The button beside a lane or a gateway: it stops it, or lets it go on. */
function pauseButton(to, name) {
  if (!mayStop) return "";
  const button = make("button", { type: "button", className: "quiet stop" });
  button.dataset.stop = `${to} ${name}`;
  button.addEventListener("click", () => askWhy(to, name, stands(to, name)));
  return button;
}

function pausedRow(each) {
  const row = make("li", {}, make("span"));
  if (mayStop) {
    const go = make("button", { type: "button", className: "quiet" }, word("paused.resume"));
    go.addEventListener("click", () => askWhy(each.to, each.name, true));
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

byId("pausing-back").addEventListener("click", () => byId("pausing").close());
byId("pausing-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { to, name, go } = wantedStop;
  const answer = await call("POST", go ? "/v1/pauses/resume" : "/v1/pauses", { to, name, reason: byId("pausing-reason").value.trim() });
  // Stopped or let go on by somebody else meanwhile: it is as it was wanted.
  if (!answer.ok && answer.body.code !== "not_paused") return say(byId("pausing-wrong"), wrong(answer));
  byId("pausing").close();
  announce(word(go ? "paused.went_on" : "paused.stopped", { name: stoppedName({ to, name }) }));
  await refresh();
});
