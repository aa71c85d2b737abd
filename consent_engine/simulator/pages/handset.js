// The handset: shows the messages of a number and the life of its orders, sends what is written. Texts are set as text.
const EVERY_MS = 1000;
/** @type {<K extends keyof Elements>(id: K) => Elements[K]} */
const at = (id) => /** @type {any} */ (document.getElementById(id));
const STOP = "TD";
const { lost: LOST = "", notSent: NOT_SENT = "", open: OPEN = "" } = at("wrong").dataset; // words of the page
const LANGUAGE = document.documentElement.lang.slice(0, 2);
/** @type {Phone[]} */
let phones = [];
let chosen = "",
  shown = "",
  lived = "",
  lastState = "";

/**
 * @param {string} tag
 * @param {string} text
 * @param {Record<string, any>} more */
const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });
const phone = () => phones.find((each) => each.number === chosen) ?? phones[0];
// The texts are dated by China's clock, wherever the browser is.
/** @param {string | number} instant */
const clock = (instant) => new Date(instant).toLocaleTimeString(document.documentElement.lang, { hour12: false, timeZone: "Asia/Shanghai" });
/** Set it only where it differs: a screen reader is not told twice.
 * @param {Element} element
 * @param {string} text */
const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
/**
 * @param {string} path
 * @param {any} [body] */
const json = (path, body) => fetch(path, body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {});

function show() {
  const open = phone();
  at("empty").hidden = Boolean(open);
  at("answer").hidden = !open;
  if (!open || JSON.stringify([phones, open.number]) === shown) return;
  shown = JSON.stringify([phones, open.number]);
  chosen = open.number;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.number;
  at("numbers").replaceChildren(
    ...phones.map((each) => {
      const row = document.createElement("li"),
        button = made("button", each.number, { type: "button" });
      button.dataset.number = each.number;
      if (each.number === open.number) button.setAttribute("aria-current", "true");
      button.onclick = () => {
        chosen = each.number;
        lived = "";
        show();
        look();
      };
      row.append(button);
      return row;
    }),
  );
  if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`[data-number="${CSS.escape(focused)}"]`))?.focus();
  at("messages").replaceChildren(
    ...open.messages.map((each) => {
      const row = made("li", "", { className: each.own ? "own" : "" });
      row.append(made("p", each.text), made("small", `${each.own ? "→ " : ""}${each.other} · ${clock(each.at * 1000)}`));
      return row;
    }),
  );
  at("messages").lastElementChild?.scrollIntoView({ block: "nearest" });
}

/**
 * @param {PhoneOrder} order
 * @param {string} page */
function orderRow(order, page) {
  const row = made("li", ""),
    steps = made("ol", "", { className: "steps" }),
    told = made("p", order.state, { className: `state ${order.over}` });
  steps.append(
    ...order.steps.map((each) => {
      const step = made("li", each.what, { className: each.moved ? "moved" : "" });
      step.prepend(made("time", clock(each.at), { dateTime: each.at }));
      return step;
    }),
  );
  row.append(made("h3", order.plan), told);
  if (order.waits) row.append(made("p", order.waits, { className: "waits" }));
  row.append(steps);
  if (page) row.append(made("a", OPEN, { href: page, target: "_blank", rel: "noopener" }));
  return row;
}

/** The answers that count now, with the code where one is needed; and why a yes would not count yet.
 * @param {PhoneOrder[]} orders */
function offer(orders) {
  const texts = [...orders.flatMap((each) => each.answers), STOP];
  at("quick").replaceChildren(...texts.map((text) => made("button", text, { type: "button", onclick: () => send(text) })));
  say(at("waits"), orders.map((each) => each.waits).find(Boolean) ?? "");
}

/** The life of the chosen number's orders, each step the moment it is taken.
 * @param {PhoneLife} told */
function live({ orders, pages }) {
  at("no-life").hidden = orders.length > 0;
  if (JSON.stringify(orders) === lived) return;
  lived = JSON.stringify(orders);
  offer(orders);
  const focused = /** @type {HTMLAnchorElement | null | undefined} */ (document.activeElement?.closest("#lives a"))?.href;
  at("lives").replaceChildren(...orders.map((each) => orderRow(each, pages && pages + each.id)));
  if (focused) [...at("lives").querySelectorAll("a")].find((each) => each.href === focused)?.focus();
  const state = orders[0]?.state ?? "";
  if (lastState && state !== lastState) say(at("announce"), state);
  lastState = state;
}

async function look() {
  try {
    phones = await (await json("phones.json")).json();
    show();
    const open = phone();
    const answer = open && (await json("life", { number: open.number, language: LANGUAGE }));
    if (answer && open.number === chosen) answer.ok ? live(await answer.json()) : say(at("wrong"), LOST);
    if (at("wrong").textContent === LOST && (!answer || answer.ok)) say(at("wrong"), "");
  } catch {
    say(at("wrong"), LOST);
  }
}

/** @param {string} text */
async function send(text) {
  const open = phone(),
    last = open.messages.filter((each) => !each.own).at(-1);
  say(at("wrong"), "");
  const answer = await json("write", { from: open.number, to: last?.other, text });
  if (answer.ok) at("text").value = "";
  else say(at("wrong"), NOT_SENT);
  await look();
}

async function forever() {
  if (!document.hidden) await look();
  setTimeout(forever, EVERY_MS);
}

at("answer").onsubmit = (event) => {
  event.preventDefault();
  if (at("text").value.trim()) send(at("text").value);
  else at("text").focus();
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
forever();
