// /board: the day of each agent so far, as the page's one stream tells it.
import { byId, fit, hear, isShown, make, PAGE, say, sayAsOf, sayCells, word } from "./common.js";

/** @param {Workday} day
 * @param {string} name */
const told = (day, name) => (name === "wrong_rate" ? `${Math.round(100 * day.wrong_rate)}%` : String(day[/** @type {"calls"} */ (name)]));

/** @param {Workday} day */
const rowOf = (day) =>
  make(
    "tr",
    {},
    make("th", { scope: "row" }, make("span", {}, day.agent), " ", make("span", { className: "badge failed", hidden: true }, word("board.presses"))),
    ...PAGE.figures.map((name) => make("td", { className: "n", "data-label": word(`figure.${name}`) })),
  );

/** @param {TeamBoard} board */
function show(board) {
  const { agents } = board;
  fit(
    byId("agents"),
    agents,
    (day) => day.agent,
    rowOf,
    (row, day) => {
      row.querySelector(".badge").hidden = !day.presses;
      sayCells(
        row,
        PAGE.figures.map((name) => told(day, name)),
      );
    },
  );
  byId("region").hidden = agents.length === 0;
  byId("none").hidden = agents.length > 0;
  say(byId("none"), word("board.none"));
  const up = agents.reduce((sum, day) => sum + day.in_call, 0);
  say(byId("sum"), agents.length ? word("board.sum", { agents: agents.length, up }) : "");
  sayAsOf(byId("agents"), board);
}

hear("/board/news", { life: show });
isShown();
