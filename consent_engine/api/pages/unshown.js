"use strict";
// /ops, plans on sale whose pages do not show them.

/** Why a page does not show a plan, in the page's words. */
function pageWhy(told) {
  const lacks = /^lacks (.+)$/.exec(told);
  if (lacks) return word("ops.page_lacks", { names: lacks[1].split(", ").map((name) => word(`tariffs.${name}`)).join(word("ops.between")) });
  const answered = /^answered_(\d+)$/.exec(told);
  if (answered) return word("ops.page_answered", { n: answered[1] });
  if (told.includes("no_answer")) return word("ops.page_no_answer");
  if (told.startsWith("redirects_")) return word("ops.page_elsewhere");
  return told === "unchecked" ? word("ops.page_unchecked") : word("ops.page_unreadable", { why: told });
}

/** A line for each plan and channel. */
function unshown(board) {
  const lines = board.unshown.map((each) => {
    const facts = { plan: each.plan, channel: word(`tariffs.${each.channel}`), why: pageWhy(each.why), at: dateAndClock(each.since), until: each.sold_until ? dateAndClock(each.sold_until) : "" };
    return { key: `plan ${each.plan} ${each.channel}`, text: word(each.sold_until ? "ops.plan_unseen" : "ops.plan_unshown", facts) };
  });
  return board.more_unshown ? [...lines, { key: "plans", text: word("ops.more_unshown", { n: board.more_unshown }) }] : lines;
}
