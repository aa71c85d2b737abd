// The fields of /desk: an error stands beside its field, and what was typed outlives a reload and the other language.
// It is kept in this window's session storage until the order is placed, the next call begins or the session ends.
import { all, byId, byName, dateAndClock, make, word, ZONE } from "./common.js";

/** Of this window.
 * @type {{ read: (name: string) => any; write: (name: string, value: any) => void }} */
export const kept = {
  read: (name) => JSON.parse(sessionStorage.getItem(name) ?? "null"),
  write: (name, value) => (value === null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, JSON.stringify(value))),
};
export const INSTANTS = /** @type {const} */ (["started", "agreed"]);
export const DRAFTED = ["carrier", "msisdn", "plan", "agent", "recording", ...INSTANTS];

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

if (Intl.DateTimeFormat().resolvedOptions().timeZone !== ZONE) {
  for (const label of all("label[for=started], label[for=agreed]")) label.append(` · ${ZONE}`);
}

/** An instant into its field, which shows seconds; it is kept to the millisecond.
 * @param {Instant} field
 * @param {Date} at */
export function setInstant(field, at) {
  byId(field).dataset.at = at.toISOString();
  byId(field).value = dateAndClock(at);
}

/** What a field holds, as the API wants it.
 * @param {string} id
 * @returns {string} */
export function heldIn(id) {
  const { value, dataset } = byName(id);
  return value && (dataset.at ?? value);
}

/** As good a name as randomUUID, which browsers give to https pages only. */
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** A key of a new request.
 * @param {string} kind */
export const newKey = (kind) => `${kind}-${crypto.randomUUID?.() ?? random()}`;
