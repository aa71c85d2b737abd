// /desk, what its parts know of one another - the call that is up, the order that is watched, what is read aloud - and
// which button is next.

import { byId } from "./common.js";
import { kept } from "./fields.js";

/** @type {Desk} */
export const desk = {
  call: kept.read("call"), // that is up, or whose beginning is not answered yet; kept until it has ended
  permit: "",
  order: null,
  lines: [], // of the script
  stamps: [], // of the lines that were read
};

export const theCall = () => /** @type {DeskCall} */ (desk.call);
export const theOrder = () => /** @type {Api.OrderView} */ (desk.order);
export const unread = () => desk.lines.slice(desk.stamps.length);

/** The one button that is next; the others step back. */
export function primary() {
  const asks = !desk.call?.id
    ? desk.permit
      ? "begin"
      : "check"
    : desk.call.violations.length
      ? "end-call"
      : !byId("plan").value || unread().length
        ? "stamp"
        : byId("agreed").value
          ? "place"
          : "now-agreed";
  const next = byId("watching").hidden ? asks : desk.call?.id ? "end-call" : "next";
  for (const id of /** @type {const} */ (["check", "begin", "stamp", "now-agreed", "place", "end-call", "next"]))
    byId(id).classList.toggle("main", id === next);
}
