"use strict";
// Why something waits, in people's words; and an order by the end of its id.
const tail = (id) => id.slice(-6);
const orderLink = (id, text = tail(id)) => make("a", { href: `/orders/${id}`, className: "mono", title: id }, text);

/** The words of a reason: of its code, with its arguments, whose last may be a reason. A text without a code stays as it is. */
function why(reason) {
  const [code, ...rest] = reason.split(":");
  const name = `why.${code}`;
  if (!rest.length || !(name in WORDS)) return reason;
  const last = new Set(WORDS[name].match(/\{\d\}/g)).size - 1;
  if (last < 0 ? rest.join(":") : rest.length <= last) return reason;
  const given = [...rest.slice(0, last), why(rest.slice(last).join(":"))];
  return word(name, Object.fromEntries(given.map((each, n) => [n + 1, each])));
}
