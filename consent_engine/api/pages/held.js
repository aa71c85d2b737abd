// /ops, what may be a refusal: read and decided, the same words at once. Nothing moves under the pointer: a click must
// not meet other words than those that were read.
import { all, announce, byId, call, dateAndClock, every, firstShown, fit, make, now, PAGE, say, sayAsOf, word, wrong, wrongField } from "./common.js";

const HELD_EVERY_S = 5;
const LINGER_MS = 8000; // how long what was decided here is still to be seen
const HURRY_MS = 4 * 3600 * 1000;
const LONG = 300; // characters that may need scrolling
const mayDecide = ["ops", "admin"].includes(PAGE.role);
const heldList = byId("held");
const decidedHere = new Set(); // ids: the board may be some seconds old; an id never comes back
/** @type {HeldGroup[]} */
let heldShown = []; // groups as they stand on the page; `over`: decided
/** @type {HeldGroups} */
let heldTold = { groups: [], more: 0, count: 0, cut: false };

/** @param {HeldGroup} group */
const rowOf = (group) => all(":scope > li", heldList).find((row) => row.dataset.key === group.group);
/** @param {HTMLElement} row */
const groupOf = (row) => /** @type {HeldGroup} */ (heldShown.find((group) => group.group === row.dataset.key));
/** @param {Element | undefined} element */
const hasFocus = (element) => Boolean(element?.contains(document.activeElement));

/** A group without what was decided here.
 * @param {HeldGroup} group */
function undecided(group) {
  const ids = group.ids.filter((id) => !decidedHere.has(id));
  return { ...group, ids, count: group.count - (group.ids.length - ids.length) };
}

/** What to show: as it was told; but what is under the pointer, has the focus or was just decided stays where it is.
 * @param {HeldGroup[]} told */
function merged(told) {
  const pointed = heldList.matches(":hover");
  /** @param {HeldGroup} group */
  const stays = (group) => pointed || hasFocus(rowOf(group)) || Date.now() - (group.overAt ?? 0) < LINGER_MS;
  if (!hasFocus(heldList) && !heldShown.some(stays)) return told;
  const now = new Map(told.map((group) => [group.group, group]));
  const known = new Set(heldShown.map((group) => group.group));
  const stay = heldShown.filter((group) => now.has(group.group) || stays(group));
  return [...stay.map((group) => now.get(group.group) ?? { ...group, over: true }), ...told.filter((group) => !known.has(group.group))];
}

/** @param {HeldGroup} group */
function heldRow(group) {
  const words = make("p", { className: "words", dir: "auto" });
  const row = make("li", { tabIndex: -1 }, words, make("p", { className: "about" }, make("span", { className: "badge" }), make("span"), make("span")));
  if (mayDecide) row.append(...deciding(row, group));
  row.append(make("p", { className: "said", role: "status" }));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {HeldGroup} group */
function deciding(row, group) {
  const yes = make("button", { type: "button", className: "danger yes" });
  const never = make("button", { type: "button", className: "danger never" });
  const no = make("button", { type: "button", className: "no", "aria-expanded": "false" });
  const name = `held-reason-${group.group}`;
  const reason = make("input", { id: name, required: true, maxLength: 200, autocomplete: "off" });
  reason.setAttribute("list", "held-reasons");
  const back = make("button", { type: "button", className: "quiet" }, word("ops.held_back"));
  const form = make(
    "form",
    { className: "row", hidden: true },
    make("label", { htmlFor: name }, word("ops.held_reason")),
    reason,
    make("button", { className: "main" }),
    back,
  );
  /** @param {boolean} is */
  const open = (is) => {
    form.hidden = !is;
    no.setAttribute("aria-expanded", String(is));
    (is ? reason : no).focus();
  };
  yes.addEventListener("click", () => decide(row, true, ""));
  never.addEventListener("click", () => decide(row, true, "", true));
  no.addEventListener("click", () => open(form.hidden === true));
  back.addEventListener("click", () => open(false));
  form.addEventListener("keydown", (event) => event.key === "Escape" && open(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (reason.value.trim()) decide(row, false, reason.value.trim());
  });
  return [make("fieldset", { className: "acts" }, yes, never, no), form];
}

/**
 * @param {any} row
 * @param {HeldGroup} group */
function showHeld(row, group) {
  say(row.children[0], group.text);
  row.children[0].tabIndex = group.text.length > LONG ? 0 : -1;
  const [why, count, until] = row.children[1].children;
  say(why, word(`reason.${group.reason}`));
  say(count, group.count === 1 ? word("ops.held_one") : word("ops.held_many", { n: group.count }));
  const left = Math.max(0, Date.parse(group.until) - now().getTime());
  const facts = { at: dateAndClock(group.until).slice(5, 16), h: Math.floor(left / 3600000), m: Math.floor((left % 3600000) / 60000) };
  say(until, word("ops.held_until", facts));
  until.classList.toggle("bad", left < HURRY_MS);
  const said = row.querySelector(".said");
  if (group.over && !said.textContent) say(said, word("ops.held_done"));
  if (!group.over && row.classList.contains("over")) say(said, ""); // the same words again
  row.classList.toggle("over", Boolean(group.over));
  if (mayDecide) showActs(row, group);
}

/**
 * @param {any} row
 * @param {HeldGroup} group */
function showActs(row, group) {
  const n = group.ids.length;
  const isDoubtful = group.reason === "doubtful"; // it refuses one order, unless it is said to refuse calls, too
  say(row.querySelector(".yes"), word(isDoubtful ? "ops.held_ends" : "ops.held_yes", { n }));
  say(row.querySelector(".never"), word("ops.held_never", { n }));
  row.querySelector(".never").hidden = !isDoubtful;
  say(row.querySelector(".no"), word("ops.held_no", { n }));
  say(row.querySelector("form .main"), word("ops.held_confirm", { n }));
  for (const control of row.querySelectorAll("button, input")) control.disabled = group.over || row.dataset.busy === "yes";
  row.querySelector(".acts").hidden = Boolean(group.over);
  if (!group.over) return;
  row.querySelector("form").hidden = true;
  row.querySelector(".no").setAttribute("aria-expanded", "false");
  row.querySelector("input").value = "";
}

/**
 * @param {any} row
 * @param {boolean} refusal
 * @param {string} reason
 * @param {boolean} never */
async function decide(row, refusal, reason, never = false) {
  const group = groupOf(row);
  const byKeyboard = Boolean(row.querySelector(":focus-visible"));
  row.dataset.busy = "yes";
  showHeld(row, group);
  const answer = await call("POST", "/v1/refusals/held", { ids: group.ids, refusal, ...(refusal ? { never_again: never } : { reason }) });
  row.dataset.busy = "";
  const said = row.querySelector(".said");
  said.className = `said ${answer.ok ? "good" : "bad"}`;
  if (answer.ok) {
    const { decided, gone, own_call: own } = answer.body;
    const told = [refusal ? word("ops.held_was", { n: decided }) : word("ops.held_was_none", { n: decided })];
    if (gone) told.push(word("ops.held_gone", { n: gone }));
    if (own) told.push(word("ops.held_own", { n: own }));
    say(said, told.join(" "));
    if (decided === group.ids.length) for (const id of group.ids) decidedHere.add(id);
    group.over = decided === group.count;
    if (group.over) group.overAt = Date.now();
  } else say(said, wrongField(answer));
  showHeld(row, group);
  announce(said.textContent);
  if (byKeyboard) goOn(row, answer.ok);
  if (answer.ok) await refreshHeld();
}

/** Go on by keyboard: at the words that come next, not at a button - a key that is held down decides nothing unread.
 * @param {any} row
 * @param {boolean} done */
function goOn(row, done) {
  const rows = all(":scope > li", heldList);
  const after = [...rows.slice(rows.indexOf(row)), ...rows];
  const next = done ? after.find((each) => !each.classList.contains("over")) : row;
  (next ?? byId("main")).focus({ preventScroll: !next });
}

function drawHeld() {
  const left = heldTold.groups.map(undecided);
  const count = heldTold.count - heldTold.groups.reduce((sum, group, n) => sum + group.count - left[n].count, 0);
  heldShown = merged(left.filter((group) => group.ids.length));
  byId("held-card").hidden = heldShown.length === 0;
  say(byId("held-count"), count ? `${count}${heldTold.cut ? "+" : ""}` : "");
  byId("more-held").hidden = !heldTold.more;
  say(byId("more-held"), word("ops.held_more", { n: heldTold.more }));
  fit(heldList, heldShown, (group) => group.group, heldRow, showHeld);
}

async function refreshHeld() {
  const answer = await call("GET", "/ops/held");
  byId("held-wrong").hidden = answer.ok;
  if (!answer.ok) return say(byId("held-wrong"), wrong(answer));
  heldTold = answer.body;
  drawHeld();
  sayAsOf(heldList, answer.body);
}

heldList.addEventListener("mouseleave", drawHeld);
firstShown.then(() => every(HELD_EVERY_S, refreshHeld));
