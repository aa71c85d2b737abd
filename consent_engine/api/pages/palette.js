// Behind the sign-in: `?` or Ctrl+K opens the pages that this account may open, and the keys of this one. It needs none
// of the other modules: it stands on pages without any.

/** @type {<K extends keyof Elements>(id: K) => Elements[K]} */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const [palette, wanted, said] = [byId("palette"), byId("go-to"), byId("no-page")];
/** @type {HTMLAnchorElement[]} */
const pages = [...byId("pages").querySelectorAll("a")];
/** @type {(link: HTMLAnchorElement) => HTMLElement} */
const rowOf = (link) => /** @type {any} */ (link.parentElement);
const links = () => pages.filter((link) => !rowOf(link).hidden);

/** Show the pages whose name or address has what is typed. */
function filter() {
  const text = wanted.value.trim().toLowerCase();
  for (const link of pages) rowOf(link).hidden = !`${link.textContent} ${link.pathname}`.toLowerCase().includes(text);
  said.textContent = (links().length ? "" : said.dataset.text) ?? "";
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
byId("go").addEventListener("submit", (event) => {
  event.preventDefault();
  links()[0]?.click();
});
byId("show-palette").addEventListener("click", show);
