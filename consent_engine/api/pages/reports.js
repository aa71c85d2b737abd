"use strict";
// /ops, reports of calls that nobody has decided, newest first: what each seems to be and why, and by when it is answered.
const REPORTS_EVERY_S = 15;
let reportsWanted = 20;
const MOST_REPORTS = 200;

function showReports(found, more) {
  byId("no-reports").hidden = found.length > 0;
  byId("reports-region").hidden = found.length === 0;
  byId("more-reports").hidden = !more || reportsWanted >= MOST_REPORTS;
  fit(byId("reports"), found, (each) => each.id,
    (each) => make("tr", {}, make("td", { className: "mono when" }, make("a", { href: `/reports#${each.id}` }, each.number)), make("td", { className: "when" }, dateAndClock(each.received_at)),
      make("td", { className: "when" }, word(`report_door.${each.channel}`)), make("td", { className: "why" }),
      make("td", { className: "mono when" }, each.msisdn), make("td", { className: "mono when", "data-label": word("ops.shown_number") }, each.caller_number),
      make("td", { className: "when", "data-label": word("ops.answer_by") }), make("td", { className: "when", "data-label": word("ops.reward") }, word(`reward.${each.reward}`))),
    (row, each) => {
      const why = each.reasons.map((code) => word(`because.${code}`)).join(word("ops.between"));
      say(row.children[3], `${word(`report_class.${each.class}`)}${word("ops.because")}${why}`);
      say(row.children[6], `${dateAndClock(each.due.answer_by)}${each.overdue ? ` ${word("ops.overdue")}` : ""}`);
    });
}

async function reports() {
  const answer = await call("GET", `/v1/reports?state=open&limit=${reportsWanted}`);
  byId("reports-wrong").hidden = answer.ok;
  say(byId("reports-wrong"), answer.ok ? "" : wrong(answer));
  if (answer.ok) showReports(answer.body.reports, answer.body.cursor !== "");
}

byId("more-reports").addEventListener("click", () => {
  reportsWanted = Math.min(reportsWanted + 20, MOST_REPORTS);
  reports();
});

every(REPORTS_EVERY_S, reports);
