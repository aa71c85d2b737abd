// /review, what was heard and what was not: a bar a day, agent or carrier, whose gap is the part that nobody has heard.
import { all, byId, call, dayOf, make, now, say, sayAsOf, shape, word, wrong } from "./common.js";

const COVERED_DAYS = 7;
const DAY_MS = 86400e3;
let coveredBy = "day";
let coverageAsked = 0;
export let covered = 0; // the instant as of which it is shown

/** One bar: heard, and the gap behind it, as long as the most calls of any row are.
 * @param {Api.CoveredView} row
 * @param {number} most */
function bar(row, most) {
  const picture = shape("svg", { class: "covered", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img" });
  picture.setAttribute("aria-label", word("review.picture", { ...row, key: keyName(row.key) }));
  /** @param {number} n */
  const wide = (n) => (100 * n) / most;
  picture.append(
    shape("rect", { class: "did", x: 0, y: 0, width: wide(row.reviewed), height: 6 }),
    shape("rect", { class: "gap", x: wide(row.reviewed), y: 0, width: wide(row.gap), height: 6 }),
  );
  return picture;
}

/** @param {string} key */
const keyName = (key) => (coveredBy === "carrier" ? word(`carrier.${key}`) : key);

/** The days that are counted, as a query says them. */
function daysCounted() {
  return `from=${dayOf(now().getTime() - (COVERED_DAYS - 1) * DAY_MS)}&to=${dayOf(now())}`;
}

/** Count what was heard. wait: with the verdict that was given last */
export async function coverage(wait = false) {
  coverageAsked += 1;
  const asked = coverageAsked;
  const answer = await call("GET", `/v1/reviews/coverage?${daysCounted()}&by=${coveredBy}&wait=${wait}`);
  if (asked !== coverageAsked) return; // it was asked for again since
  byId("coverage-wrong").hidden = answer.ok;
  say(byId("coverage-wrong"), answer.ok ? "" : wrong(answer));
  if (!answer.ok) return;
  const { rows } = answer.body;
  covered = Date.parse(answer.body.as_of ?? "");
  sayAsOf(byId("coverage"), answer.body);
  byId("no-coverage").hidden = rows.length > 0;
  byId("coverage-region").hidden = rows.length === 0;
  const most = Math.max(1, ...rows.map((row) => row.recorded));
  byId("coverage").replaceChildren(
    ...rows.map((row) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, keyName(row.key)),
        ...[row.recorded, row.reviewed, row.gap, row.failed].map((n, i) => make("td", { className: i === 2 && n ? "n bad" : "n" }, String(n))),
        make("td", { className: "course" }, bar(row, most)),
      ),
    ),
  );
  for (const button of all("[data-by]")) button.setAttribute("aria-pressed", String(button.dataset.by === coveredBy));
}

for (const button of all("[data-by]")) {
  button.addEventListener("click", () => {
    coveredBy = button.dataset.by ?? "";
    coverage();
  });
}
coverage();

// What was sold under pressure, as far as figures tell.
let pressedBy = "agent";

async function pressure() {
  const answer = await call("GET", `/v1/reviews/pressure?${daysCounted()}&by=${pressedBy}`);
  if (!answer.ok) return;
  const { rows } = answer.body;
  sayAsOf(byId("pressure"), answer.body);
  byId("no-pressure").hidden = rows.length > 0;
  byId("pressure-region").hidden = rows.length === 0;
  const pressed = [...byId("pressure-region").querySelectorAll("th.n")].map((each) => each.textContent); // a phone has them beside the figures
  byId("pressure").replaceChildren(
    ...rows
      .slice(0, 100)
      .map((row) =>
        make(
          "tr",
          { className: row.presses ? "bad" : "" },
          make("th", { scope: "row" }, row.key),
          ...[row.placed, `${Math.round(100 * row.confirm_rate)}%`, row.declined, row.refused, row.suspect, row.review_failed, row.ended_soon].map((n, i) =>
            make("td", { className: "n", "data-label": pressed[i] }, String(n)),
          ),
        ),
      ),
  );
  for (const button of all("[data-pressed]")) button.setAttribute("aria-pressed", String(button.dataset.pressed === pressedBy));
}

for (const button of all("[data-pressed]")) {
  button.addEventListener("click", () => {
    pressedBy = button.dataset.pressed ?? "";
    pressure();
  });
}
pressure();
