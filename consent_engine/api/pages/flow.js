"use strict";
// /ops, how much passed and how fast: bars for what passed, red for what failed, a line for p95. Readers get a table.
const FLOW_EVERY_S = 10;
const WIDE = 360;
const HIGH = 40;
const SVG = "http://www.w3.org/2000/svg";
let spanShown = "hour";

const placeName = (each) => (each.to === "lane" ? word("ops.lane_named", { name: word(`lane.${each.name}`) }) : each.to === "bss" ? `BSS ${each.name}` : word("ops.gateway_named", { name: each.name }));
const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
const took = (ms) => (ms === null ? "–" : ms < 1000 ? word("span.ms", { n: ms }) : word("span.s", { n: (ms / 1000).toFixed(1) }));

function shape(tag, facts) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  return made;
}

/** The course of one place: for eyes alone, the same numbers stand in the table. */
function drawn(each) {
  const picture = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "course", "aria-hidden": "true", preserveAspectRatio: "none" });
  const most = Math.max(1, ...each.calls);
  const slowest = Math.max(1, ...each.p95.map((ms) => ms ?? 0));
  const step = WIDE / each.calls.length;
  const bars = (numbers, kind) => numbers.map((n, i) => (n ? `M${(i * step).toFixed(1)} ${HIGH}v-${((HIGH * n) / most).toFixed(1)}h${(step * 0.8).toFixed(1)}V${HIGH}z` : "")).join("") && picture.append(shape("path", { class: kind, d: numbers.map((n, i) => (n ? `M${(i * step).toFixed(1)} ${HIGH}v-${((HIGH * n) / most).toFixed(1)}h${(step * 0.8).toFixed(1)}V${HIGH}z` : "")).join("") }));
  bars(each.calls, "passed");
  bars(each.failed, "lost");
  let pen = "M";
  const line = each.p95.map((ms, i) => {
    if (ms === null) {
      pen = "M";
      return "";
    }
    const point = `${pen}${((i + 0.4) * step).toFixed(1)} ${(HIGH - 1 - ((HIGH - 2) * ms) / slowest).toFixed(1)}`;
    pen = "L";
    return point;
  }).join("");
  if (line) picture.append(shape("path", { class: "slow", d: line }));
  return picture;
}

function showFlow(told) {
  const { series } = told;
  fit(byId("flow"), series, (each) => `${each.to} ${each.name}`,
    (each) => make("tr", {}, make("th", { scope: "row" }, placeName(each)), ...Array.from({ length: 4 }, () => make("td", { className: "n" })), make("td", { className: "course" })),
    (row, each) => {
      const failed = sum(each.failed);
      [String(sum(each.calls)), String(failed), took(each.all_p50), took(each.all_p95)].forEach((text, i) => say(row.children[i + 1], text));
      row.children[2].classList.toggle("bad", failed > 0);
      row.children[5].replaceChildren(drawn(each));
    });
  const many = spanShown === "hour" ? 5 : 6; // steps a row of the table
  const since = Date.parse(told.since);
  const rows = [];
  for (let first = 0; first < series[0].calls.length; first += many) rows.push(first);
  byId("flow-head").replaceChildren(make("tr", {}, make("th", { scope: "col" }, word("ops.begins")), ...series.map((each) => make("th", { scope: "col", className: "n" }, placeName(each)))));
  byId("flow-rows").replaceChildren(...rows.reverse().map((first) => make("tr", {},
    make("th", { scope: "row" }, clock(since + first * told.step_ms).slice(0, 5)),
    ...series.map((each) => {
      const [passed, lost] = [each.calls, each.failed].map((numbers) => sum(numbers.slice(first, first + many)));
      const slow = Math.max(...each.p95.slice(first, first + many).map((ms) => ms ?? -1));
      return make("td", { className: `n ${lost ? "bad" : ""}` }, word("ops.cell", { passed, lost, p95: took(slow < 0 ? null : slow) }));
    }))));
}

async function flow() {
  const answer = await call("GET", `/ops/flow/${spanShown}`);
  byId("flow-wrong").hidden = answer.ok;
  say(byId("flow-wrong"), answer.ok ? "" : wrong(answer));
  if (answer.ok) showFlow(answer.body);
}

for (const button of document.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => {
    spanShown = button.dataset.span;
    for (const each of document.querySelectorAll("[data-span]")) each.setAttribute("aria-pressed", String(each === button));
    flow();
  });
}

firstShown.then(() => every(FLOW_EVERY_S, flow));
