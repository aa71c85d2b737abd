"use strict";
// /ops, orders: found by number, id or the last characters of one; and listed by filters, which stand in the address.
const FILTERS = ["state", "carrier", "plan", "agent", "since"];
const A_LIST = 20;
const MOST_LISTED = 200;
let rowsShown = A_LIST; // as many as were asked for
let search = null; // what a search found stays until a filter is used
const NUMBER = /^[\d\s().+-]+$/;

const wantedFilters = () => new URLSearchParams([...new URLSearchParams(location.search)].filter(([name, value]) => FILTERS.includes(name) && value));

function orderRow(order) {
  return make("tr", {}, make("td", {}, orderLink(order.id)), make("td", { className: "when" }, dateAndClock(order.created_at)), make("td"),
    make("td", { className: "mono when" }, order.msisdn), make("td", { className: "when" }, order.plan), make("td", { className: "when" }, order.agent));
}

function showRows(orders, title) {
  say(byId("found-title"), title);
  byId("found-region").hidden = orders.length === 0;
  byId("found-none").hidden = orders.length > 0;
  fit(byId("found"), orders, (order) => order.id, orderRow, (row, order) => say(row.children[2], word(`state.${order.state}`)));
}

/** The list as its address says; read in pages, so that one request is never large. */
async function listAgain() {
  if (search) return;
  const filters = wantedFilters();
  const title = word(filters.size ? "ops.filtered" : "ops.newest");
  const orders = [];
  let cursor = "";
  do {
    const query = new URLSearchParams([...filters, ["limit", String(Math.min(100, rowsShown - orders.length))], ...(cursor ? [["cursor", cursor]] : [])]);
    const answer = await call("GET", `/ops/orders?${query}`);
    byId("list-wrong").hidden = answer.ok;
    if (!answer.ok) return say(byId("list-wrong"), wrong(answer));
    if (!cursor) sayAsOf(byId("found"), answer.body);
    orders.push(...answer.body.orders);
    cursor = answer.body.cursor;
  } while (cursor && orders.length < rowsShown && orders.length > 0);
  if (search || filters.toString() !== wantedFilters().toString()) return;
  showRows(orders, title);
  byId("more-found").hidden = !cursor || rowsShown >= MOST_LISTED;
}

/** The fields as the address says; a change of them is an address of its own, so that Back takes it back. */
function fieldsFromAddress() {
  const filters = wantedFilters();
  for (const name of FILTERS) byId(`by-${name}`).value = filters.get(name) ?? "";
}

function filterBy(filters) {
  search = null;
  rowsShown = A_LIST;
  say(byId("find-said"), "");
  history.pushState(null, "", filters.size ? `/ops?${filters}` : "/ops");
  fieldsFromAddress();
  return listAgain();
}

byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filterBy(new URLSearchParams(FILTERS.map((name) => [name, byId(`by-${name}`).value.trim()]).filter(([, value]) => value)));
});
for (const name of ["state", "carrier", "since"]) byId(`by-${name}`).addEventListener("change", () => byId("filters").requestSubmit());
byId("unfiltered").addEventListener("click", () => filterBy(new URLSearchParams()));
byId("more-found").addEventListener("click", () => {
  rowsShown = Math.min(rowsShown + 50, MOST_LISTED);
  listAgain();
});
addEventListener("popstate", () => {
  search = null;
  fieldsFromAddress();
  listAgain();
});

byId("find").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = byId("wanted").value.trim();
  // A number travels in a body: an address is written into logs and histories.
  const answer = await call("POST", "/ops/find", { wanted });
  if (!answer.ok) return say(byId("find-said"), answer.status === 422 ? word("ops.find_neither") : wrong(answer));
  const { orders } = answer.body;
  if (orders.length === 1) return location.assign(`/orders/${orders[0].id}`);
  search = orders.length ? wanted : null;
  say(byId("find-said"), orders.length ? word("ops.found", { n: orders.length }) : word(NUMBER.test(wanted) ? "ops.found_none" : "ops.found_no_tail"));
  if (!orders.length) return;
  showRows(orders, word("ops.found", { n: orders.length }));
  sayAsOf(byId("found"), answer.body);
  byId("more-found").hidden = true;
  byId("found-region").focus();
});

addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
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
