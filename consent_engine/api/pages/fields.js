// The fields of /desk: an error stands beside its field, and what was typed outlives a reload and the other language.
// It is kept in this window's session storage until the order is placed, the next call begins or the session ends.
import { all, byId, dateAndClock, make, word, ZONE } from "./common.js";

/** Of this window.
 * @type {{ read: (name: string) => any; write: (name: string, value: any) => void }} */
export const kept = {
  read: (name) => JSON.parse(sessionStorage.getItem(name) ?? "null"),
  write: (name, value) => (value === null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, JSON.stringify(value))),
};
export const DRAFTED = ["carrier", "msisdn", "plan", "agent", "recording", "started", "agreed"];

/** What is wrong with a number that the engine does not take, as a person would say it.
 * @param {string} text
 * @param {string} otherwise */
export function numberTrouble(text, otherwise) {
  const digits = text.replace(/[\s\-+]/g, "").replace(/^(0086|86(?=1\d))/, "");
  if (!digits) return word("desk.number_none");
  if (/\D/.test(digits) || digits.length === 11) return otherwise;
  return digits.length < 11 ? word("desk.number_short", { n: 11 - digits.length }) : word("desk.number_long", { n: digits.length - 11 });
}

/** Errors of fields, each a link that leads there.
 * @param {Blamed[]} blamed */
export function summary(blamed) {
  /** @param {Blamed} each */
  const to = ({ field, text }) => {
    const link = make("a", { href: `#${field.id}` }, text);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      field.focus();
    });
    return link;
  };
  return make("ul", { className: "plain" }, ...blamed.map((each) => make("li", {}, to(each))));
}

export const dropDraft = () => kept.write("draft", null);

export const carrier = () => byId("carrier").value;

/** An instant as the field writes it: by the clock of the business, whatever the browser's is, to the second. */
const local = dateAndClock;

/** What such a clock shows, as an instant: the earlier of two where it was put back; of an hour that it leaves out, the one behind it.
 * @param {string} text
 * @param {(instant:number) => string} shownAt */
export function instantShown(text, shownAt = local) {
  /** @param {string} said */
  const read = (said) => Date.parse(`${said.replace(" ", "T")}Z`);
  const shown = read(text);
  /** @param {number} at */
  const off = (at) => read(shownAt(at)) - at;
  const found = [-1, 1].map((day) => shown - off(shown + day * 86_400_000));
  return new Date(found.find((at) => at + off(at) === shown) ?? found[0]);
}

if (Intl.DateTimeFormat().resolvedOptions().timeZone !== ZONE) {
  for (const label of all("label[for=started], label[for=agreed]")) label.append(` · ${ZONE}`);
}

/** @type {Record<string, Date>} */
const exact = {};

/** An instant into its field, which shows seconds; it is kept to the millisecond.
 * @param {Instant} field
 * @param {Date} at */
export function setInstant(field, at) {
  exact[field] = at;
  byId(field).value = local(at);
}

/** What the field says, as the API wants it.
 * @param {Instant} field */
export function instantOf(field) {
  const text = byId(field).value;
  if (!text) return "";
  if (exact[field] && local(exact[field]) === text) return exact[field].toISOString();
  return instantShown(text).toISOString();
}

/** As good a name as randomUUID, which browsers give to https pages only. */
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** A key of a new request.
 * @param {string} kind */
export const newKey = (kind) => `${kind}-${crypto.randomUUID?.() ?? random()}`;
