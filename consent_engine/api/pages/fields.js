// The fields of /desk: an error stands beside its field, and what was typed outlives a reload and the other language.
// It is kept in this window's session storage until the order is placed, the next call begins or the session ends.
import { ZONE, byId, dateAndClock, make, word } from "./common.js";

export const kept = {
  read: (name) => JSON.parse(sessionStorage.getItem(name) ?? "null"),
  write: (name, value) => (value === null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, JSON.stringify(value))),
};
export const DRAFTED = ["carrier", "msisdn", "plan", "agent", "recording", "started", "agreed"];

/** What is wrong with a number that the engine does not take, as a person would say it. */
export function numberTrouble(text, otherwise) {
  const digits = text.replace(/[\s\-+]/g, "").replace(/^(0086|86(?=1\d))/, "");
  if (!digits) return word("desk.number_none");
  if (/\D/.test(digits) || digits.length === 11) return otherwise;
  return digits.length < 11 ? word("desk.number_short", { n: 11 - digits.length }) : word("desk.number_long", { n: digits.length - 11 });
}

/** Errors of fields, each a link that leads there. */
export function summary(blamed) {
  const to = ({ field, text }) => make("a", { href: `#${field.id}`, onclick: (event) => (event.preventDefault(), field.focus()) }, text);
  return make("ul", { className: "plain" }, ...blamed.map((each) => make("li", {}, to(each))));
}

export const dropDraft = () => kept.write("draft", null);

export const carrier = () => byId("carrier").value;

/** An instant as the field writes it: by the clock of the business, whatever the browser's is, to the second. */
const local = dateAndClock;

/** What such a clock shows, as an instant: the earlier of two where it was put back; of an hour that it leaves out, the one behind it. */
export function instantShown(text, shownAt = local) {
  const read = (said) => Date.parse(`${said.replace(" ", "T")}Z`);
  const shown = read(text);
  const off = (at) => read(shownAt(at)) - at;
  const found = [-1, 1].map((day) => shown - off(shown + day * 86_400_000));
  return new Date(found.find((at) => at + off(at) === shown) ?? found[0]);
}

if (Intl.DateTimeFormat().resolvedOptions().timeZone !== ZONE) ["started", "agreed"].forEach((id) => document.querySelector(`label[for=${id}]`).append(` · ${ZONE}`));

const exact = {};

/** An instant into its field, which shows seconds; it is kept to the millisecond. */
export function setInstant(field, at) {
  exact[field] = at;
  byId(field).value = local(at);
}

/** What the field says, as the API wants it. */
export function instantOf(field) {
  const text = byId(field).value;
  if (!text) return "";
  if (exact[field] && local(exact[field]) === text) return exact[field].toISOString();
  return instantShown(text).toISOString();
}

/** As good a name as randomUUID, which browsers give to https pages only. */
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** A key of a new request. */
export const newKey = (kind) => `${kind}-${crypto.randomUUID?.() ?? random()}`;
