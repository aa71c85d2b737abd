"use strict";
// /ops, reports of calls that nobody has decided, newest first.
tableOf("reports", "/v1/reports?state=open", "reports",
  (each) => make("tr", {}, make("td", { className: "mono when" }, make("a", { href: `/reports#${each.id}` }, each.number)), make("td", { className: "when" }, dateAndClock(each.received_at)),
    make("td", { className: "when" }, word(`report_door.${each.channel}`)), make("td", { className: "why" }),
    make("td", { className: "mono when" }, each.msisdn), make("td", { className: "mono when", "data-label": word("ops.shown_number") }, each.caller_number),
    make("td", { className: "when", "data-label": word("ops.answer_by") }), make("td", { className: "when", "data-label": word("ops.reward") }, word(`reward.${each.reward}`))),
  (row, each) => {
    const why = each.reasons.map((code) => word(`because.${code}`)).join(word("ops.between"));
    say(row.children[3], `${word(`report_class.${each.class}`)}${word("ops.because")}${why}`);
    say(row.children[6], `${dateAndClock(each.due.answer_by)}${each.overdue ? ` ${word("ops.overdue")}` : ""}`);
  });
