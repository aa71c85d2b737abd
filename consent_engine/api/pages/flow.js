// /ops, how much passed and how fast: bars for what passed, red for what failed, a line for the slow ones. All pictures
// stand over one axis of time; the pointer, or the axis' own slider, reads a moment in all of them. Readers get a table.
import { all, byId, call, clock, every, firstShown, fit, make, say, sayCells, shape, targetOf, word, wrong } from "./common.js";

const FLOW_EVERY_S = 10;
const WIDE = 360;
const HIGH = 40;
/** @type {Record<string, (text: string) => boolean>} */
const TICKS = { hour: (text) => text.endsWith("0"), day: (text) => text.endsWith(":00") && Number(text.slice(0, 2)) % 3 === 0 };
/** @type {"hour" | "day"} */
let spanShown = "hour";
/** @type {Flow | null} */
let flowTold = null; // what is drawn
const flowNow = () => /** @type {Flow} */ (flowTold);
/** @type {number | null} */
let moment = null; // the step that is read, if any

/** @param {Series} each */
const placeName = (each) =>
  each.to === "lane"
    ? word("ops.lane_named", { name: word(`lane.${each.name}`) })
    : each.to === "bss"
      ? `BSS ${each.name}`
      : word("ops.gateway_named", { name: each.name });
/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
/** @param {number | null} ms */
const took = (ms) => (ms === null ? "–" : ms < 1000 ? word("span.ms", { n: ms }) : word("span.s", { n: (ms / 1000).toFixed(1) }));
/** @param {number} step */
const beginOf = (step) => clock(Date.parse(flowNow().since) + step * flowNow().step_ms).slice(0, 5);

/** The course of one place, over the axis of all: for eyes alone, the same numbers stand in the table.
 * @param {Series} each
 * @param {number[]} ticks */
function drawn(each, ticks) {
  const picture = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "course", "aria-hidden": "true", preserveAspectRatio: "none" });
  const most = Math.max(1, ...each.calls);
  const slowest = Math.max(1, ...each.p95.map((ms) => ms ?? 0));
  const step = WIDE / each.calls.length;
  /** @param {number[]} numbers */
  const bars = (numbers) =>
    numbers.map((n, i) => (n ? `M${(i * step).toFixed(1)} ${HIGH}v-${((HIGH * n) / most).toFixed(1)}h${(step * 0.8).toFixed(1)}V${HIGH}z` : "")).join("");
  const line = each.p95
    .map((ms, i) =>
      ms === null || !each.calls[i]
        ? ""
        : `${each.calls[i - 1] ? "L" : "M"}${((i + 0.4) * step).toFixed(1)} ${(HIGH - 1 - ((HIGH - 2) * ms) / slowest).toFixed(1)}h.1`,
    )
    .join("");
  picture.append(
    shape("path", { class: "tick", d: ticks.map((i) => `M${(i * step).toFixed(1)} 0V${HIGH}`).join("") }),
    shape("path", { class: "passed", d: bars(each.calls) }),
    shape("path", { class: "lost", d: bars(each.failed) }),
    shape("path", { class: "slow", d: line }),
    shape("path", { class: "moment" }),
  );
  return picture;
}

/** Under a picture: what its height stands for; or what was at the moment that is read. */
function showMoment() {
  const wide = WIDE / flowNow().series[0].calls.length;
  for (const each of flowNow().series) {
    const [cell] = all(`[data-key="${CSS.escape(`${each.to} ${each.name}`)}"] .course`, byId("flow"));
    if (!sum(each.calls)) continue;
    const facts =
      moment === null
        ? { n: Math.max(...each.calls), slow: took(Math.max(...each.p95.map((ms) => ms ?? 0))) }
        : { at: beginOf(moment), passed: each.calls[moment], lost: each.failed[moment], slow: took(each.calls[moment] ? each.p95[moment] : null) };
    say(all("small", cell)[0], word(moment === null ? `ops.scale_${spanShown}` : "ops.moment", facts));
    all(".moment", cell)[0].setAttribute("d", moment === null ? "" : `M${(moment * wide).toFixed(1)} 0h${wide.toFixed(1)}V${HIGH}h-${wide.toFixed(1)}z`);
  }
  const at = moment ?? flowNow().series[0].calls.length - 1;
  byId("moment").value = String(at);
  const told = flowNow()
    .series.filter((each) => each.calls[at])
    .map((each) => `${placeName(each)}${word("ops.because")}${word("ops.cell", { passed: each.calls[at], lost: each.failed[at], p95: took(each.p95[at]) })}`);
  byId("moment").setAttribute("aria-valuetext", [beginOf(at), ...(told.length ? told : [word("ops.idle")])].join(word("ops.between")));
}

/** @param {number | null} step */
function read(step) {
  moment = step;
  if (flowTold) showMoment();
}

/** @param {Flow} told */
function showFlow(told) {
  flowTold = told;
  const { series } = told;
  const steps = series[0].calls.length;
  if (moment !== null && moment >= steps) moment = null;
  const ticks = [...Array(steps).keys()].filter((step) => step > steps / 20 && step < steps * 0.95 && TICKS[spanShown](beginOf(step))); // a label has its room
  fit(
    byId("flow"),
    series,
    (each) => `${each.to} ${each.name}`,
    (each) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, placeName(each)),
        ...Array.from({ length: 4 }, () => make("td", { className: "n" })),
        make("td", { className: "course" }),
      ),
    (row, each) => {
      const [passed, failed] = [sum(each.calls), sum(each.failed)];
      sayCells(row, [String(passed), String(failed), took(passed ? each.all_p50 : null), took(passed ? each.all_p95 : null)]);
      row.children[2].classList.toggle("bad", failed > 0);
      row.children[5].replaceChildren(...(passed ? [drawn(each, ticks), make("small", { className: "muted" })] : [word("ops.idle")]));
      row.classList.toggle("muted", !passed);
    },
  );
  byId("moment").max = String(steps - 1);
  fit(
    byId("flow-ticks"),
    ticks,
    (step) => step,
    () => make("span"),
    (mark, step) => {
      say(mark, beginOf(step));
      mark.style.left = `${(100 * step) / steps}%`;
    },
  );
  showMoment();
  const many = spanShown === "hour" ? 5 : 6; // steps a row of the table
  const rows = [];
  for (let first = 0; first < steps; first += many) rows.push(first);
  byId("flow-head").replaceChildren(
    make("tr", {}, make("th", { scope: "col" }, word("ops.begins")), ...series.map((each) => make("th", { scope: "col", className: "n" }, placeName(each)))),
  );
  byId("flow-rows").replaceChildren(
    ...rows.reverse().map((first) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, beginOf(first)),
        ...series.map((each) => {
          const [passed, lost] = [each.calls, each.failed].map((numbers) => sum(numbers.slice(first, first + many)));
          const slow = Math.max(...each.p95.slice(first, first + many).map((ms) => ms ?? -1));
          return make("td", { className: `n ${lost ? "bad" : ""}` }, word("ops.cell", { passed, lost, p95: took(slow < 0 || !passed ? null : slow) }));
        }),
      ),
    ),
  );
}

async function flow() {
  const answer = await call("GET", `/ops/flow/${spanShown}`);
  byId("flow-wrong").hidden = answer.ok;
  say(byId("flow-wrong"), answer.ok ? "" : wrong(answer));
  if (answer.ok) showFlow(answer.body);
}

for (const button of all("[data-span]")) {
  button.addEventListener("click", () => {
    spanShown = /** @type {"hour" | "day"} */ (button.dataset.span);
    moment = null;
    for (const each of all("[data-span]")) each.setAttribute("aria-pressed", String(each === button));
    flow();
  });
}
byId("moment").addEventListener("input", () => read(byId("moment").valueAsNumber));
byId("moment").addEventListener("blur", () => read(null));
byId("flow").addEventListener("pointermove", (event) => {
  const { clientX } = event;
  const picture = targetOf(event).closest("td.course")?.querySelector("svg")?.getBoundingClientRect();
  if (picture)
    read(
      Math.min(Math.max(Math.floor(((clientX - picture.left) / picture.width) * flowNow().series[0].calls.length), 0), flowNow().series[0].calls.length - 1),
    );
});
byId("flow").addEventListener("pointerleave", () => read(null));

firstShown.then(() => every(FLOW_EVERY_S, flow));
