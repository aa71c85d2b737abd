// /ops: calls with violations, and how many reports nobody has decided.
import { byId, call, dateAndClock, every, firstShown, fit, make, say, word, wrong } from "./common.js";
import { endless, sayRead } from "./tables.js";

const LISTED_EVERY_S = 15;

/** @param {Api.CallView} each */
const rowOf = (each) =>
  make(
    "tr",
    {},
    make("td", { className: "when" }, dateAndClock(each.started_at)),
    make("td", { className: "why" }),
    make("td", { className: "mono when" }, each.to),
    make("td", { className: "when" }, each.agent),
    make("td", { className: "when" }, word(`carrier.${each.carrier}`)),
    make("td", { className: "n", "data-label": word("ops.refused_orders") }),
  );

/** @param {Api.CallView} each */
const violationsOf = (each) =>
  each.violations.map((code) => word(`violation.${code}`) + (code === "unofficial_number" ? ` ${each.from}` : "")).join(word("ops.between"));

const violations = endless(
  (cursor, limit) => call("GET", `/v1/calls?violation=true&limit=${limit}&cursor=${cursor}`),
  (body) => body.calls,
  (answer, rows, cursor) => {
    fit(
      byId("violations"),
      rows,
      (each) => each.id,
      rowOf,
      (row, each) => {
        say(row.children[1], violationsOf(each));
        say(row.children[5], String(each.refused_orders.length));
      },
    );
    sayRead("violations", answer, rows, cursor);
  },
);
byId("more-violations").addEventListener("click", violations.more);

/** How many reports wait: they are decided on a page of their own. */
async function sayReports() {
  const answer = await call("GET", "/reports/due?");
  const { open, overdue } = answer.body;
  byId("reports-wait").hidden = open === 0;
  say(byId("reports-told"), answer.ok ? word("reported.open", { n: open, late: overdue }) : wrong(answer));
  byId("reports-told").classList.toggle("bad", overdue !== 0);
}

firstShown.then(() => {
  every(LISTED_EVERY_S, violations.again);
  every(LISTED_EVERY_S, sayReports);
});
