// What our pages share: words, calls to the API, and small pieces of HTML.
// Text is only ever set as text.

/** The words of this page in its language: the module that has them is the first that runs.
 * @type {Record<string, string>} */
const WORDS = {};

/** @param {Record<string, string>} words */
export const learn = (words) => Object.assign(WORDS, words);

/** @type {<K extends keyof Elements>(id: K) => Elements[K]} */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/** An element whose id is put together.
 * @type {(id: string) => any} */
export const byName = (id) => document.getElementById(id);

/** Elements below one, as what most of them are.
 * @param {string} selector
 * @param {ParentNode} within
 * @returns {HTMLInputElement[]} */
export const all = (selector, within = document) => [...within.querySelectorAll(selector)].map((each) => /** @type {any} */ (each));

/** @param {Event} event */
export const targetOf = (event) => /** @type {HTMLInputElement} */ (event.target);

/** @type {Page} */
export const PAGE = JSON.parse(byId("page").textContent ?? "");
// Steps, sets of states, triggers that alarm: they follow from the engine's own table.
export const { steps: STEPS, settled: SETTLED, failed: FAILED, broken: BROKEN, cancellable: CANCELLABLE, waiting: WAITING, alarms: ALARMS } = PAGE.lifecycle;

/** When what a page shows first stands there, which the page says: what is further down asks for its own from then on.
 * @type {(told?: any) => void} */
export let isShown = () => {};
export const firstShown = new Promise((done) => {
  isShown = done;
});

const AGAIN_MS = 5000;
/** @type {[string, Hears]} */
let hearing = ["/news", {}]; // the one stream of this page, and what is done with its events
/** @type {EventSource | null} */
let source = null;
/** @type {Line[]} */
export let notices = []; // the lines on top of the page

/** What stands still, fails or is slow, as the server words it: on top of the page.
 * @param {Line[]} lines */
function showBanner(lines) {
  notices = lines;
  fit(
    byId("banner"),
    lines,
    ({ key }) => key,
    () => make("li", {}, make("span")),
    (row, { text }) => say(row.firstChild, text),
  );
  byId("banner").hidden = lines.length === 0;
}

/** Listen while somebody looks at the page: a browser has few connections for all its tabs. */
function listen() {
  source?.close();
  source = null;
  if (document.hidden) return;
  const mine = new EventSource(hearing[0]);
  source = mine;
  for (const [name, done] of [/** @type {[string, Hears[string]]} */ (["banner", showBanner]), ...Object.entries(hearing[1])]) {
    mine.addEventListener(name, (event) => done(JSON.parse(/** @type {MessageEvent} */ (event).data)));
  }
  /** @param {boolean} is */
  const linked = (is) => {
    const link = document.getElementById("link"); // not every page says it
    if (link) say(link, word(is ? "desk.live" : "desk.reconnecting"));
  };
  mine.onopen = () => linked(true);
  mine.onerror = () => {
    linked(false);
    // A browser reconnects by itself, unless what it got was no stream at all.
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => mine === source && listen(), AGAIN_MS);
  };
  mine.addEventListener("over", () => {
    mine.close();
    if (hearing[1].life) location.assign(`/?next=${encodeURIComponent(location.pathname)}`); // what it shows is no longer true
  });
}

/** Hear of what changes from another address. on: by the name of an event
 * @param {string} path
 * @param {Hears} on */
export function hear(path, on) {
  hearing = [path, on];
  if (source) listen();
}
document.addEventListener("visibilitychange", listen);
firstShown.then(listen); // when nothing else is waited for

/** Do it again and again, so many seconds after it was done, while somebody looks at the page.
 * @param {number} seconds
 * @param {() => any} work */
export async function every(seconds, work) {
  if (!document.hidden) await work();
  setTimeout(every, seconds * 1000, seconds, work);
}

/**
 * @param {string} name
 * @returns {name is Word} */
export const isWord = (name) => name in WORDS;

/** A word in the page's language; {name} in it is filled in.
 * @param {Word} name
 * @param {Record<string, any>} facts */
export function word(name, facts = {}) {
  const found = (facts.n === 1 && WORDS[`${name}.single`]) || WORDS[name]; // one is said otherwise, where English needs it
  if (found === undefined) console.error(`no word: ${name}`); // the tests' browsers listen
  return (found ?? name.slice(name.lastIndexOf(".") + 1)).replace(/\{(\w+)\}/g, (whole, fact) => facts[fact] ?? whole);
}

/** An element with properties and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} properties
 * @param {...(Child | undefined)} children */
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) Object.assign(made, { [name]: value });
    else made.setAttribute(name, value);
  }
  for (const child of children) if (child) made.append(child);
  return made;
}

/** An element of a picture.
 * @param {string} tag
 * @param {Record<string, string | number>} facts */
export function shape(tag, facts) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, String(value));
  return made;
}

/** Set a text only where it differs: a screen reader is not told twice, a selection is kept.
 * @param {Element} element
 * @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say what stands in a row's cells, after the first.
 * @param {Element} row
 * @param {string[]} texts */
export function sayCells(row, texts) {
  for (const [n, text] of texts.entries()) say(row.children[n + 1], text);
}

/** Tell who cannot see it.
 * @param {string} text */
export const announce = (text) => say(byId("announce"), text);

let ahead = 0; // how far the server's clock is ahead of ours, in ms
export const now = () => new Date(Date.now() + ahead);

/** Call the API as the person who is signed in; status 0 when no answer came.
 * @template {string} P
 * @param {"GET" | "POST"} method
 * @param {P} path
 * @param {any} [body]
 * @param {Record<string, string>} headers
 * @returns {Promise<Answer<BodyOf<P>>>} */
export async function call(method, path, body, headers = {}) {
  /** @type {Record<string, string>} */
  const sent = { "X-CSRF-Token": PAGE.csrf, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const began = Date.now();
  let answer;
  try {
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    answer = await fetch(path, { method, headers: sent, body: text, signal: AbortSignal.timeout(15000) });
  } catch {
    return { ok: false, status: 0, body: /** @type {any} */ ({}) };
  }
  // Said in whole seconds, some time between question and answer: one that is slow tells nothing against our clock.
  const said = Date.parse(answer.headers.get("Date") ?? "");
  const off = said < began ? said - began : said - Math.min(said, Date.now());
  ahead = Math.abs(off) > 2000 ? off : 0; // also back again: a busy server's Date may be some seconds old
  if (answer.status === 401) {
    location.assign(`/?next=${encodeURIComponent(location.pathname)}`);
  }
  /** @type {any} */
  let read = {};
  try {
    read = await answer.json();
  } catch {
    // no body, or none that is JSON
  }
  return { ok: answer.ok, status: answer.status, body: read };
}

/** @param {string} id */
export const tail = (id) => id.slice(-6);
/** @param {string} id */
export const orderLink = (id, text = tail(id)) => make("a", { href: `/orders/${id}`, className: "mono", title: id }, text);

/** The words of a reason: of its code, with its arguments, whose last may be a reason. A text without a code stays as it is.
 * @param {string} reason
 * @returns {string} */
export function why(reason) {
  const [code, ...rest] = reason.split(":");
  const name = `why.${code}`;
  if (!rest.length || !isWord(name)) return reason;
  const last = new Set(WORDS[name].match(/\{\d\}/g)).size - 1;
  if (last < 0 ? rest.join(":") : rest.length <= last) return reason;
  const given = [...rest.slice(0, last), why(rest.slice(last).join(":"))];
  return word(name, Object.fromEntries(given.map((each, n) => [n + 1, each])));
}

/** What went wrong, in words.
 * @param {Answer<any>} answer */
export function wrong(answer) {
  if (answer.status === 0) return word("problem.network");
  const why = `problem.${answer.body.reason}`;
  const name = isWord(why) ? why : `problem.${answer.body.code}`;
  return isWord(name) ? word(name) : word("problem.other", { code: answer.body.code ?? answer.status });
}

/** The same, of a form with one field.
 * @param {Answer<any>} answer */
export function wrongField(answer) {
  const name = `problem.${answer.body.errors?.[0]?.code}`;
  return isWord(name) ? word(name) : wrong(answer);
}

/** @param {Element} field */
export const labelOf = (field) => document.querySelector(`label[for=${field.id}]`)?.textContent ?? "";

/** Put an error beside its field, or take it away: text "".
 * @param {Element} field
 * @param {string} text */
export function blame(field, text) {
  const id = `${field.id}-wrong`;
  const beside = field.closest(".with-button, .search") ?? field;
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((each) => each && each !== id);
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  document.getElementById(id)?.remove();
  if (text) beside.after(make("p", { id, className: "bad beside" }, text));
  if (text || others.length) field.setAttribute("aria-describedby", [...others, ...(text ? [id] : [])].join(" "));
  else field.removeAttribute("aria-describedby");
}

/** What a browser finds missing is said in the page's words, beside the field; the first of them has the focus. */
document.addEventListener(
  "invalid",
  (event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (event.target);
    blame(field, word(field.validity.valueMissing ? "desk.fill" : "desk.check_field", { name: labelOf(field).replace(/ ?[（(].*/, "") }));
    /** @type {HTMLElement | null | undefined} */ (field.form?.querySelector(":invalid"))?.focus();
  },
  true,
);
document.addEventListener("input", ({ target }) => {
  const field = /** @type {HTMLInputElement} */ (target);
  if (field.required && field.value) blame(field, "");
});

/** @param {number} n */
const two = (n) => String(n).padStart(2, "0");
export const ZONE = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=zone]")).content;
const ZONED = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, dateStyle: "short", timeStyle: "medium" });
/** An instant by the clock of the business, as 2025-08-01 10:04:31; its time; its day.
 * @param {string | number | Date} instant */
export const dateAndClock = (instant) => ZONED.format(new Date(instant));
/** @param {string | number | Date} instant */
export const clock = (instant) => dateAndClock(instant).slice(11);
/** @param {string | number | Date} instant */
export const dayOf = (instant) => dateAndClock(instant).slice(0, 10);

/** Say at the foot of a card as of when its list is; nothing where that is not known.
 * @param {Element} list
 * @param {AsOf} answer */
export function sayAsOf(list, { as_of: at }) {
  const card = /** @type {Element} */ (list.closest(".card"));
  const foot = card.querySelector(".as-of") ?? card.appendChild(make("p", { className: "muted as-of" }));
  say(foot, at ? word("list.as_of", { at: dayOf(at) === dayOf(now()) ? clock(at) : dateAndClock(at) }) : "");
}

/** How long something takes, as a clock shows it; from two days on the days are told.
 * @param {number} ms */
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s >= 2 * 86400) return word("span.days", { n: Math.floor(s / 86400), h: Math.floor((s % 86400) / 3600) });
  const parts = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
  return parts[0] ? `${parts[0]}:${two(parts[1])}:${two(parts[2])}` : `${parts[1]}:${two(parts[2])}`;
}

/** Make a list's children fit `items`: kept by key, in order, so that what has the focus stays where it is.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T, n: number) => unknown} keyOf
 * @param {(item: T) => HTMLElement} create
 * @param {(child: any, item: T) => void} [update] */
export function fit(parent, items, keyOf, create, update) {
  const known = new Map([...parent.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, /** @type {HTMLElement} */ (child)]));
  items.forEach((item, n) => {
    const key = String(keyOf(item, n));
    let child = known.get(key);
    if (!child) {
      child = create(item);
      child.dataset.key = key;
    }
    known.delete(key);
    if (parent.children[n] !== child) parent.insertBefore(child, parent.children[n] ?? null);
    update?.(child, item);
  });
  for (const child of known.values()) child.remove();
}

/** ending: of its service; one that was taken back is nothing that went well.
 * @param {Element} badge
 * @param {string} state
 * @param {Api.EndingView | null} ending */
export function showState(badge, state, ending = null) {
  badge.className = `badge ${BROKEN.includes(state) ? "failed" : FAILED.includes(state) || ending ? "off" : SETTLED.includes(state) ? "done" : ""}`;
  say(badge, word(`state.${state}`));
}

/** The five steps of the road, with the time each was reached; and a sixth where the service was taken back.
 * @param {Element} list
 * @param {Api.OrderView} order
 * @param {Api.EndingView | null} ending */
export function showRoad(list, order, ending = null) {
  /** @type {Record<string, string>} */
  const at = Object.fromEntries(order.timeline.filter((e) => e.stage).map((e) => [e.stage, e.at]));
  const off = FAILED.includes(order.state);
  if (ending?.ended_at) at.taken_back = ending.ended_at;
  fit(
    list,
    ending ? [...STEPS, "taken_back"] : STEPS,
    (step) => step,
    (step) => make("li", {}, word(`stage.${step}`), make("time")),
    (item, step) => {
      item.className = step in at ? (step === "taken_back" || (off && step === order.stage && step !== "call_agreed") ? "off" : "reached") : "";
      if (step === order.stage) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
      say(item.querySelector("time"), step in at ? clock(at[step]) : "");
    },
  );
}

/** Names and values; with an address the value is a link.
 * @param {Element} list
 * @param {Fact[]} rows */
export function showFacts(list, rows) {
  fit(
    list,
    rows.flatMap(([name, value, to]) => [
      { tag: /** @type {"dt" | "dd"} */ ("dt"), text: name, to: "" },
      { tag: /** @type {"dt" | "dd"} */ ("dd"), text: value, to },
    ]),
    (item, n) => `${n}${item.to ?? ""}`,
    (item) => make(item.tag, {}, item.to ? make("a", { href: item.to, className: "mono" }) : ""),
    (element, item) => say(item.to ? element.firstChild : element, item.text),
  );
}

// Nothing of a person stays in the browser after the sign-out.
document.getElementById("sign-out")?.addEventListener("submit", () => sessionStorage.clear());
