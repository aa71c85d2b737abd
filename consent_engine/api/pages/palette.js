// Behind the sign-in: `?` or Ctrl+K opens the pages that this account may open, an order for who may look for one, and
// the keys of this page. It needs none of the other modules: it stands on pages without any.

/** @type {<K extends keyof Elements>(id: K) => Elements[K]} */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const [palette, wanted, said, found] = [byId("palette"), byId("go-to"), byId("no-page"), byId("found-orders")];
const pages = [...byId("pages").querySelectorAll("a")];
/** @type {() => NodeListOf<HTMLAnchorElement>} */
const links = () => palette.querySelectorAll("li:not([hidden]) a");

/** @param {string | undefined} text */
const tell = (text = "") => (said.textContent = text);

/** Show the pages whose name or address has what is typed. */
function filter() {
  const text = wanted.value.trim().toLowerCase();
  found.replaceChildren();
  for (const link of pages) /** @type {HTMLElement} */ (link.parentElement).hidden = !`${link.textContent} ${link.pathname}`.toLowerCase().includes(text);
  tell(links().length || found.dataset.csrf ? "" : said.dataset.text);
}

/** The first page that is shown; else an order by what is typed, which travels in a body: a number stands in no address.
 * @param {Event} event */
async function go(event) {
  event.preventDefault();
  const [first] = links();
  if (first || !found.dataset.csrf) return first?.click();
  const text = wanted.value;
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": found.dataset.csrf };
  const answer = await fetch("/ops/find", { method: "POST", headers, body: JSON.stringify({ wanted: text.trim() }) }).catch(() => null);
  if (text !== wanted.value) return;
  if (!answer?.ok && answer?.status !== 422) return tell(found.dataset.wrong);
  /** @type {{ orders?: OrderRow[] }} */
  const { orders = [] } = await answer.json();
  for (const { id, created_at, plan } of orders) {
    const [row, link] = [document.createElement("li"), document.createElement("a")];
    link.href = `/orders/${id}`;
    link.textContent = `${id.slice(-6)} · ${plan} · ${created_at.slice(0, 10)}`;
    row.append(link);
    found.append(row);
  }
  tell(orders.length ? "" : said.dataset.text);
  if (orders.length === 1) links()[0].click();
}

function show() {
  if (document.querySelector("dialog[open]")) return;
  wanted.value = "";
  filter();
  palette.showModal();
  wanted.focus();
}

/** Before all others: no key of the page does anything while the palette is open.
 * @param {KeyboardEvent} event */
function pressed(event) {
  const target = /** @type {Element} */ (event.target);
  const typing = target.closest?.("input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]");
  const single = ["?", "\uff1f"].includes(event.key) && !typing && byId("keys-on").checked;
  if (palette.open) {
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.isComposing) return;
    const stops = [wanted, ...links()];
    stops.at((stops.indexOf(/** @type {any} */ (target)) + step) % stops.length)?.focus();
  } else if (single || (event.key === "k" && (event.ctrlKey || event.metaKey))) show();
  else return;
  event.preventDefault();
}

addEventListener("keydown", pressed, true);
wanted.addEventListener("input", filter);
byId("go").addEventListener("submit", go);
byId("show-palette").addEventListener("click", show);
