"use strict";
// /ops, plans on sale whose pages do not show them.

/** Why a page does not show a plan: what it lacks is named as on the tariff pages. */
function pageWhy(reason) {
  const [code, ...rest] = reason.split(":");
  if (code === "its_json") return word("why.its_json", { 1: pageWhy(rest.join(":")) });
  return code === "lacks" ? word("why.lacks", { 1: rest[0].split(",").map((name) => word(`tariffs.${name}`)).join(word("ops.between")) }) : why(reason);
}

/** A line for each plan and channel. */
function unshown(board) {
  const lines = board.unshown.map((each) => {
    const facts = { plan: each.plan, channel: word(`tariffs.${each.channel}`), why: pageWhy(each.why), at: dateAndClock(each.since), until: each.sold_until ? dateAndClock(each.sold_until) : "" };
    return { key: `plan ${each.plan} ${each.channel}`, text: word(each.sold_until ? "ops.plan_unseen" : "ops.plan_unshown", facts) };
  });
  return board.more_unshown ? [...lines, { key: "plans", text: word("ops.more_unshown", { n: board.more_unshown }) }] : lines;
}
