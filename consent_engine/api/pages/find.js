// /ops, orders: found by number, id or the last characters of one; and listed by filters, which stand in the address.
import { byId, call, dateAndClock, firstShown, fit, make, orderLink, say, targetOf, word, wrong } from "./common.js";
import { endless, sayRead } from "./tables.js";

const FILTERS = /** @type {const} */ (["state", "carrier", "plan", "agent", "since", "until"]);
let asking = ""; // the filters of the newest question
/** @type {string | null} */
let search = null; // what a search found stays until a filter is used
const NUMBER = /^[\d\s().+-]+$/;

const wantedFilters = () =>
  new URLSearchParams([...new URLSearchParams(location.search)].filter(([name, value]) => value && FILTERS.some((each) => each === name)));

/** @param {OrderRow} order */
function orderRow(order) {
  return make(
    "tr",
    {},
    make("td", {}, orderLink(order.id)),
    make("td", { className: "when" }, dateAndClock(order.created_at)),
    make("td"),
    make("td", { className: "mono when" }, order.msisdn),
    make("td", { className: "when" }, order.plan),
    make("td", { className: "when" }, order.agent),
  );
}

/**
 * @param {OrderRow[]} orders
 * @param {string} title */
function showRows(orders, title) {
  say(byId("found-title"), title);
  fit(
    byId("found"),
    orders,
    (order) => order.id,
    orderRow,
    (row, order) => say(row.children[2], word(`state.${order.state}`)),
  );
}

/** The list as its address says. */
const orders = endless(
  (cursor, limit) => {
    asking = wantedFilters().toString();
    return call("GET", `/ops/orders?${asking}${asking && "&"}limit=${limit}&cursor=${cursor}`);
  },
  (body) => body.orders,
  (answer, rows, cursor) => {
    if (search || asking !== wantedFilters().toString()) return;
    showRows(rows, word(asking ? "ops.filtered" : "ops.newest"));
    sayRead("found", answer, rows, cursor);
    byId("csv").href = `/ops/orders.csv?${asking}`;
    byId("agents").replaceChildren(...[...new Set(rows.map(({ agent }) => agent))].map((value) => make("option", { value })));
  },
);
export const listAgain = () => (search ? null : orders.again());

/** The fields as the address says; a change of them is an address of its own, so that Back takes it back. */
function fieldsFromAddress() {
  const filters = wantedFilters();
  for (const name of FILTERS) byId(`by-${name}`).value = filters.get(name) ?? "";
}

/** @param {URLSearchParams} filters */
function filterBy(filters) {
  search = null;
  say(byId("find-said"), "");
  history.pushState(null, "", filters.size ? `/ops?${filters}` : "/ops");
  fieldsFromAddress();
  return orders.anew();
}

byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filterBy(new URLSearchParams(FILTERS.map((name) => [name, byId(`by-${name}`).value.trim()]).filter(([, value]) => value)));
});
for (const name of /** @type {const} */ (["state", "carrier", "since", "until"]))
  byId(`by-${name}`).addEventListener("change", () => byId("filters").requestSubmit());
byId("unfiltered").addEventListener("click", () => filterBy(new URLSearchParams()));
byId("more-found").addEventListener("click", orders.more);
addEventListener("popstate", () => {
  search = null;
  fieldsFromAddress();
  orders.anew();
});

byId("find").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = byId("wanted").value.trim();
  // A number travels in a body: an address is written into logs and histories.
  const answer = await call("POST", "/ops/find", { wanted });
  if (!answer.ok) return say(byId("find-said"), answer.status === 422 ? word("ops.find_neither") : wrong(answer));
  const { orders: found } = answer.body;
  if (found.length === 1) return location.assign(`/orders/${found[0].id}`);
  search = found.length ? wanted : null;
  say(byId("find-said"), found.length ? word("ops.found", { n: found.length }) : word(NUMBER.test(wanted) ? "ops.found_none" : "ops.found_no_tail"));
  if (!found.length) return;
  showRows(found, word("ops.found", { n: found.length }));
  sayRead("found", answer, found, "");
  byId("found-region").focus();
});

addEventListener("keydown", (event) => {
  const typing = targetOf(event).matches("input, select, textarea, [contenteditable]");
  if (event.key !== "/" || typing || !byId("keys-on").checked || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  byId("wanted").focus();
  byId("wanted").select();
});

async function knownPlans() {
  const answer = await call("GET", "/v1/plans");
  if (answer.ok) byId("plans").replaceChildren(...answer.body.items.map((plan) => make("option", { value: plan.code }, plan.name)));
}
fieldsFromAddress();
firstShown.then(knownPlans);
