"use strict";
// The fields of /desk: an error stands beside its field, and what was typed outlives a reload and the other language.
// It is kept in this window's session storage until the order is placed, the next call begins or the session ends.
const kept = {
  read: (name) => JSON.parse(sessionStorage.getItem(name) ?? "null"),
  write: (name, value) => (value === null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, JSON.stringify(value))),
};
const DRAFTED = ["carrier", "msisdn", "plan", "agent", "recording", "started", "agreed"];

/** What is wrong with a number that the engine does not take, as a person would say it. */
function numberTrouble(text, otherwise) {
  const digits = text.replace(/[\s\-+]/g, "").replace(/^(0086|86(?=1\d))/, "");
  if (!digits) return word("desk.number_none");
  if (/\D/.test(digits) || digits.length === 11) return otherwise;
  return digits.length < 11 ? word("desk.number_short", { n: 11 - digits.length }) : word("desk.number_long", { n: digits.length - 11 });
}

/** Errors of fields, each a link that leads there. */
function summary(blamed) {
  const to = ({ field, text }) => make("a", { href: `#${field.id}`, onclick: (event) => (event.preventDefault(), field.focus()) }, text);
  return make("ul", { className: "plain" }, ...blamed.map((each) => make("li", {}, to(each))));
}

function saveDraft() {
  kept.write("draft", { checked: permit !== "", fields: DRAFTED.map((id) => [id, byId(id).value]) });
}

const dropDraft = () => kept.write("draft", null);
