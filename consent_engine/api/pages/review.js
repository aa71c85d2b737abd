"use strict";
// /review: the queue oldest first, one call at a time, a verdict by keys. What is heard stays until it is decided or left.
const QUEUE_EVERY_S = 10;
const QUEUE_PAGE = 25;
const SEEK_S = 5;
const player = byId("player");
const MOST_LOOKS = 5; // at an empty queue that may have missed something: SQL is behind
const MOST_PAGES = 20; // one whose calls were all heard since is empty, and goes on
let verdictWanted = "pending"; // which queue
let queue = []; // as it was told
let heard = null; // what is heard now: {call, own, recording, sold}
let before = Promise.resolve(); // the end of what changes the queue or the call that is heard: one thing at a time
let judged = 0; // when the last verdict of this page was given
let asked = 0; // how many of these a person asked for that are not done yet

/** Do it after all that was begun before: no answer that comes late undoes what was asked for since. */
const inTurn = (work) => (before = before.then(() => work(), () => work()));

/** The same for what a person asks for. Until it is done no verdict is taken: none about a call that nobody heard yet. */
function onRequest(work) {
  asked += 1;
  return inTurn(work).finally(() => { asked -= 1; });
}

function queueRow(each) {
  const row = make("li", {}, make("button", { type: "button", className: "link" }, dateAndClock(each.started_at)),
    make("span", { className: "muted" }, ` ${each.agent} · ${word(`carrier.${each.carrier}`)}${each.plan ? ` · ${each.plan}` : ""}`));
  row.firstChild.addEventListener("click", () => onRequest(() => open(each.id)));
  return row;
}

function showQueue(more) {
  fit(byId("queue"), queue, (each) => each.id, queueRow, (row, each) => {
    if (each.id === heard?.call.id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  });
  const facts = queue.length ? { n: queue.length, at: dateAndClock(queue[0].ended_at) } : {};
  say(byId("queue-told"), word(queue.length ? (more ? "review.more" : "review.waits") : "review.none", facts));
  for (const button of document.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdictWanted));
}

/** Load the queue; return the instant as of which it is, NaN where that is not known. */
async function loadQueue() {
  let answer;
  let cursor = "";
  for (let page = 0; page === 0 || (page < MOST_PAGES && answer.ok && cursor && !answer.body.calls.length); page += 1) {
    // A list is a second old at times. That nothing waits is said by none that may have missed something.
    answer = await call("GET", `/v1/reviews?verdict=${verdictWanted}&limit=${QUEUE_PAGE}&cursor=${cursor}&wait=${!queue.length}`);
    cursor = answer.ok ? answer.body.cursor : "";
  }
  byId("fresh").classList.toggle("bad", !answer.ok);
  if (!answer.ok) {
    say(byId("fresh"), word("ops.away"));
    return NaN;
  }
  queue = answer.body.calls;
  showQueue(answer.body.cursor !== "");
  sayAsOf(byId("queue"), answer.body);
  return Date.parse(answer.body.as_of);
}

/** A call, with its recording and all that had to be told in it. */
async function open(id) {
  const answer = await call("GET", `/review/calls/${id}`);
  if (!answer.ok) return say(byId("wrong"), wrong(answer));
  say(byId("wrong"), "");
  heard = answer.body;
  showHeard();
  showQueue(queue.length === QUEUE_PAGE);
}

function showHeard() {
  const { call: it, own, recording, sold } = heard;
  byId("heard").hidden = byId("told-card").hidden = false;
  showFacts(byId("facts"), [
    [word("ops.called_at"), dateAndClock(it.started_at)], [word("ops.agent"), it.agent], [word("ops.carrier"), word(`carrier.${it.carrier}`)],
    [word("detail.caller_number"), it.from], [word("ops.number"), it.to], [word("order.outcome"), word(`outcome.${it.outcome}`)], [word("desk.recording"), [it.recording?.ref, it.recording?.seconds ? span(1000 * it.recording.seconds) : ""].filter(Boolean).join(" · ")],
    [word("order.call_id"), it.id],
  ]);
  player.hidden = !recording;
  byId("nowhere").hidden = Boolean(recording);
  byId("unplayed").hidden = true;
  if (recording) player.src = recording;
  else player.removeAttribute("src");
  const first = it.reviews[0];
  byId("first-said").hidden = it.verdict !== "contested";
  if (first) say(byId("first-said"), word("review.first_said", { by: first.by, reasons: [...first.reasons.map((each) => word(`reviewed.${each}`)), first.note].filter(Boolean).join(word("ops.between")) }));
  byId("own").hidden = !own;
  byId("first").hidden = own || it.verdict !== "pending";
  byId("second").hidden = own || it.verdict !== "contested";
  askWhy(false);
  showSold(it, sold);
  showWords(heard.transcript, heard.altered);
}

/** An order may name another agent than its call: who took the call over, or whose sale another is credited with. */
const other = (each, it) => (each.agent && each.agent !== it.agent ? make("p", { className: "warn" }, word("review.other_agent", { agent: each.agent })) : "");

function showSold(it, sold) {
  const marked = Object.fromEntries(it.disclosures.map((each) => [each.id, each.at]));
  const begins = Date.parse(it.started_at);
  byId("no-sold").hidden = sold.length > 0;
  byId("sold").replaceChildren(...sold.flatMap((each) => {
    const told = Object.entries(each.reads.zh ?? {});
    const when = (id) => marked[id] ?? heard.transcript?.spoken[id];
    const none = told.length > 0 && !told.some(([id]) => when(id)); // said once, not beside every line
    const lines = told.map(([id, text]) => {
      const at = when(id);
      const seconds = at ? Math.max(0, (Date.parse(at) - begins) / 1000) : 0;
      const where = at ? make("button", { type: "button", className: "link" }, word(marked[id] ? "review.spoken" : "review.seems", { at: span(1000 * seconds) })) : none ? "" : make("span", { className: "muted" }, word("review.unmarked"));
      if (at) where.addEventListener("click", () => seekTo(seconds));
      return make("li", {}, make("strong", {}, word(`tariffs.${id}`)), make("span", {}, text), where);
    });
    return [make("h3", {}, `${each.name} · ${each.plan} v${each.version}${each.state ? ` · ${word(`state.${each.state}`)}` : ""}`), other(each, it), none ? make("p", { className: "muted" }, word("review.none_marked")) : "", make("ul", { className: "plain reads" }, ...lines),
      make("h3", {}, word("review.text")), each.text ? make("p", { className: "asked" }, each.text) : make("p", { className: "muted" }, word("review.no_text"))];
  }));
}

/** The words as a machine heard them, with what they hint at; a click plays from there. */
function showWords(words, altered) {
  byId("words-card").hidden = !words && !altered;
  byId("altered").hidden = !altered;
  byId("phrases").hidden = byId("words").hidden = altered;
  if (!words) return;
  const begins = Date.parse(heard.call.started_at);
  const seconds = (at) => Math.max(0, (Date.parse(at) - begins) / 1000);
  const phrases = new Map(words.phrases.map((each) => [each.at, each.phrase]));
  say(byId("phrases"), words.phrases.length ? word("review.phrases", { told: words.phrases.map((each) => `“${each.phrase}” ${span(1000 * seconds(each.at))}`).join(word("ops.between")), n: words.edition }) : word("review.no_phrases", { n: words.edition }));
  byId("phrases").className = words.phrases.length ? "bad" : "muted";
  byId("words").replaceChildren(...words.lines.map((each) => {
    const at = make("button", { type: "button", className: "link" }, span(1000 * seconds(each.at)));
    at.addEventListener("click", () => seekTo(seconds(each.at)));
    return make("li", { className: phrases.has(each.at) ? "bad" : "" }, at, ` ${word(each.by === "agent" ? "role.agent" : "review.subscriber")} `, each.text);
  }));
}

function seekTo(seconds) {
  if (!player.src) return;
  player.currentTime = Math.max(0, seconds);
  play();
}

const play = () => player.src && player.play().catch(() => { byId("unplayed").hidden = false; });

/** The reasons of a failed review; the focus goes there and back. */
function askWhy(open) {
  byId("why").hidden = !open;
  if (!open) return byId("why").reset();
  byId("reasons").querySelector("input").focus();
}

/** One verdict at a time: a key that is pressed twice decides nothing about the next call. */
function decide(...verdict) {
  if (!asked && heard) onRequest(() => decided(...verdict));
}

async function decided(path, body, done) {
  const id = heard.call.id;
  const answer = await call("POST", `/v1/reviews/${id}${path}`, body);
  if (!answer.ok) return say(byId("wrong"), wrongField(answer));
  const at = queue.findIndex((each) => each.id === id);
  const following = queue[at + 1] ?? queue.find((each) => each.id !== id);
  heard = null;
  player.pause();
  askWhy(false);
  byId("heard").focus(); // not in a reason that is hidden now: there, no key is a command
  judged = now();
  coverage(true);
  await loadQueue();
  byId("heard").hidden = byId("told-card").hidden = true;
  if (following) await open(following.id);
  announce(word(done));
  say(byId("fresh"), word(done));
  (following ? byId("heard") : byId("queue-told")).focus();
}

async function moved(by) {
  const at = queue.findIndex((each) => each.id === heard?.call.id);
  const to = queue[at < 0 ? 0 : at + by];
  if (!to) return;
  await open(to.id);
  byId("heard").focus();
}

async function looked(verdict) {
  verdictWanted = verdict;
  queue = [];
  heard = null;
  byId("heard").hidden = byId("told-card").hidden = true;
  const begun = now();
  for (let n = 0; n < MOST_LOOKS && !queue.length && (await loadQueue()) < begun; n += 1);
  if (queue.length) await open(queue[0].id);
}

const move = (by) => onRequest(() => moved(by));
const look = (verdict) => onRequest(() => looked(verdict));
const shown = (id) => !byId("heard").hidden && !byId(id).closest("[hidden]");
const KEYS = {
  " ": () => (player.paused ? play() : player.pause()),
  ArrowLeft: () => player.src && (player.currentTime = Math.max(0, player.currentTime - SEEK_S)),
  ArrowRight: () => player.src && (player.currentTime += SEEK_S),
  j: () => move(1), k: () => move(-1),
  c: () => look(verdictWanted === "pending" ? "contested" : "pending"),
  p: () => shown("pass") && byId("pass").click(), f: () => shown("fail") && byId("fail").click(),
  u: () => shown("uphold") && byId("uphold").click(), l: () => shown("free") && byId("free").click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (!byId("why").hidden) {
    const box = byId("reasons").querySelectorAll("input")[Number(event.key) - 1];
    if (event.key === "Escape") askWhy(false), byId("fail").focus();
    else if (box && event.target.id !== "note") box.checked = !box.checked;
    else if (event.key === "Enter" && event.target.type === "checkbox") byId("why").requestSubmit();
    else return;
    return event.preventDefault();
  }
  if (!byId("keys-on").checked || event.target.closest("input, audio, select") || (event.key === " " && event.target.closest("button, a"))) return;
  const does = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) does(); // a key that is held down is one verdict
});

byId("pass").addEventListener("click", () => decide("", { verdict: "pass" }, "review.done_pass"));
byId("fail").addEventListener("click", () => asked || askWhy(true));
byId("next").addEventListener("click", () => move(1));
byId("back").addEventListener("click", () => { askWhy(false); byId("fail").focus(); });
byId("uphold").addEventListener("click", () => decide("/second", { uphold: true }, "review.done_uphold"));
byId("free").addEventListener("click", () => decide("/second", { uphold: false }, "review.done_free"));
byId("why").addEventListener("submit", (event) => {
  event.preventDefault();
  const reasons = [...byId("reasons").querySelectorAll("input:checked")].map((box) => box.value);
  if (!reasons.length) return say(byId("wrong"), word("review.choose_one"));
  decide("", { verdict: "fail", reasons, note: byId("note").value }, "review.done_fail");
});
player.addEventListener("error", () => { byId("unplayed").hidden = !player.src; });
for (const button of document.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => look(button.dataset.verdict));

look("pending");
setTimeout(every, QUEUE_EVERY_S * 1000, QUEUE_EVERY_S, () => {
  if (!(covered >= judged)) coverage(true);
  return inTurn(loadQueue);
});
