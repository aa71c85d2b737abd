// The handset: shows the messages of a number, sends what is written. Texts are set as text, never as HTML.
"use strict";
const at = (id) => document.getElementById(id);
let phones = [], chosen = "", shown = "";

const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });
const phone = () => phones.find((each) => each.number === chosen) ?? phones[0];

function show() {
  const open = phone();
  at("empty").hidden = Boolean(open);
  at("answer").hidden = !open;
  if (!open || JSON.stringify([phones, open.number]) === shown) return;
  shown = JSON.stringify([phones, open.number]);
  chosen = open.number;
  const focused = document.activeElement?.dataset?.number;
  at("numbers").replaceChildren(...phones.map((each) => {
    const row = document.createElement("li"), button = made("button", each.number, { type: "button" });
    button.dataset.number = each.number;
    if (each.number === open.number) button.setAttribute("aria-current", "true");
    button.onclick = () => { chosen = each.number; show(); };
    row.append(button);
    return row;
  }));
  if (focused) document.querySelector(`[data-number="${CSS.escape(focused)}"]`)?.focus();
  at("messages").replaceChildren(...open.messages.map((each) => {
    const row = made("li", "", { className: each.own ? "own" : "" });
    const clock = new Date(each.at * 1000).toLocaleTimeString();
    row.append(made("p", each.text), made("small", `${each.own ? "→ " : ""}${each.other} · ${clock}`));
    return row;
  }));
  at("messages").lastElementChild?.scrollIntoView({ block: "nearest" });
}

async function look() {
  try {
    phones = await (await fetch("phones.json")).json();
    show();
  } catch { at("wrong").textContent = "连接已断开 · The connection is lost"; }
}

async function send(text) {
  const open = phone(), last = open.messages.filter((each) => !each.own).at(-1);
  at("wrong").textContent = "";
  const body = JSON.stringify({ from: open.number, to: last.other, text });
  const answer = await fetch("write", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (answer.ok) at("text").value = "";
  else at("wrong").textContent = `未发送 · Not sent: ${await answer.text()}`;
  await look();
}

at("answer").onsubmit = (event) => { event.preventDefault(); send(at("text").value); };
for (const button of at("quick").children) button.onclick = () => send(button.textContent);
look();
setInterval(look, 1000);
