"use strict";
// /ops, calls with violations, newest first.
tableOf("violations", "/v1/calls?violation=true", "calls",
  (each) => make("tr", {}, make("td", { className: "when" }, dateAndClock(each.started_at)), make("td", { className: "why" }),
    make("td", { className: "mono when" }, each.to), make("td", { className: "when" }, each.agent),
    make("td", { className: "when" }, word(`carrier.${each.carrier}`)), make("td", { className: "n", "data-label": word("ops.refused_orders") })),
  (row, each) => {
    say(row.children[1], each.violations.map((code) => word(`violation.${code}`) + (code === "unofficial_number" ? ` ${each.from}` : "")).join(word("ops.between")));
    say(row.children[5], String(each.refused_orders.length));
  });
