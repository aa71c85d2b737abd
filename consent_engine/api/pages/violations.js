"use strict";
// /ops, calls that something was wrong with, newest first: by whom, to whom (masked), what, and whether an order was wanted.
const VIOLATIONS_EVERY_S = 15;
const A_PAGE = 20;
const MOST_VIOLATIONS = 200;
let violationsWanted = A_PAGE;

function showViolations(calls, more) {
  byId("no-violations").hidden = calls.length > 0;
  byId("violations-region").hidden = calls.length === 0;
  byId("more-violations").hidden = !more || violationsWanted >= MOST_VIOLATIONS;
  fit(byId("violations"), calls, (each) => each.id,
    (each) => make("tr", {}, make("td", { className: "when" }, dateAndClock(each.started_at)), make("td", { className: "why" }),
      make("td", { className: "mono when" }, each.to), make("td", { className: "when" }, each.agent),
      make("td", { className: "when" }, word(`carrier.${each.carrier}`)), make("td", { className: "n", "data-label": word("ops.refused_orders") })),
    (row, each) => {
      say(row.children[1], each.violations.map((code) => word(`violation.${code}`)).join(word("ops.between")));
      say(row.children[5], String(each.refused_orders.length));
    });
}

async function violations() {
  const answer = await call("GET", `/v1/calls?violation=true&limit=${violationsWanted}`);
  byId("violations-wrong").hidden = answer.ok;
  say(byId("violations-wrong"), answer.ok ? "" : wrong(answer));
  if (answer.ok) showViolations(answer.body.calls, answer.body.cursor !== "");
}

byId("more-violations").addEventListener("click", () => {
  violationsWanted = Math.min(violationsWanted + A_PAGE, MOST_VIOLATIONS);
  violations();
});

firstShown.then(() => every(VIOLATIONS_EVERY_S, violations));
