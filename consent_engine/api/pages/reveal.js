"use strict";
// An auditor sees the number of one order and its subscriber's words, for a reason that is kept first.
byId("reveal")?.addEventListener("click", () => {
  byId("reveal-wrong").replaceChildren();
  byId("revealing").showModal();
  byId("reveal-reason").focus();
});
byId("reveal-back")?.addEventListener("click", () => byId("revealing").close());
byId("reveal-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const reason = byId("reveal-reason").value.trim();
  if (!reason) return byId("reveal-reason").focus();
  byId("reveal-do").disabled = true;
  const answer = await call("POST", `/v1/orders/${shown.order.id}/reveal`, { reason });
  byId("reveal-do").disabled = false;
  if (!answer.ok) {
    const errors = (answer.body.errors ?? []).map((each) => word(`problem.${each.code}`));
    return byId("reveal-wrong").replaceChildren(wrong(answer), ...errors.map((text) => make("p", {}, text)));
  }
  revealed = answer.body;
  byId("revealing").close();
  byId("reveal").hidden = true;
  say(byId("revealed"), word("order.revealed"));
  show(shown);
});
