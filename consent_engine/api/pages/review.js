// /review: the queue oldest first, one call at a time, a verdict by keys. What is heard stays until it is decided or left.
import {
  all,
  announce,
  byId,
  CANCELLABLE,
  call,
  dateAndClock,
  every,
  FAILED,
  fit,
  isShown,
  make,
  now,
  PAGE,
  say,
  sayAsOf,
  showFacts,
  span,
  targetOf,
  word,
  wrong,
  wrongField,
} from "./common.js";
import { coverage, covered } from "./coverage.js";

const QUEUE_EVERY_S = 10;
const QUEUE_PAGE = 25;
const SEEK_S = 5;
const UNDO_MS = 10_000;
const SPEEDS = [1, 1.25, 1.5, 2];
const player = byId("player");
const MOST_LOOKS = 5; // at an empty queue that may have missed something: SQL is behind
const MOST_PAGES = 20; // one whose calls were all heard since is empty, and goes on
/** @type {Queue} */
let verdictWanted = "pending"; // which queue
/** @type {Api.CallView[]} */
let queue = []; // as it was told
let goesOn = false; // more wait than it names
/** @type {Heard | null} */
let heard = null; // what is heard now
const theHeard = () => /** @type {Heard} */ (heard);
/** @type {Promise<any>} */
let before = Promise.resolve(); // the end of what changes the queue or the call that is heard: one thing at a time
let judged = 0; // when the last verdict of this page was given
const heardOf = new Map(); // seconds by call: who goes away and comes back has heard them
let unplayed = false; // whether the recording cannot be played
/** @type {Given | null} */
let given = null; // a verdict that can still be taken back: {id, ref, path, body, timer}
let asked = 0; // how many of these a person asked for that are not done yet

/** Do it after all that was begun before: no answer that comes late undoes what was asked for since.
 * @param {() => any} work */
const inTurn = (work) =>
  (before = before.then(
    () => work(),
    () => work(),
  ));

/** The same for what a person asks for. Until it is done no verdict is taken: none about a call that nobody heard yet.
 * @param {() => any} work */
function onRequest(work) {
  asked += 1;
  return inTurn(work).finally(() => {
    asked -= 1;
  });
}

/** @param {Api.CallView} each */
function queueRow(each) {
  const row = make(
    "li",
    {},
    make("button", { type: "button", className: "link" }, dateAndClock(each.started_at)),
    make("span", { className: "muted" }, ` ${each.agent} · ${word(`carrier.${each.carrier}`)}${each.plan ? ` · ${each.plan}` : ""}`),
  );
  row.firstChild?.addEventListener("click", () => onRequest(() => open(each.id)));
  return row;
}

function showQueue() {
  fit(
    byId("queue"),
    queue,
    (each) => each.id,
    queueRow,
    (row, each) => {
      if (each.id === heard?.call.id) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    },
  );
  const facts = queue.length ? { n: queue.length, at: dateAndClock(queue[0].ended_at ?? "") } : {};
  say(byId("queue-told"), word(queue.length ? (goesOn ? "review.more" : "review.waits") : "review.none", facts));
  for (const button of all("[data-verdict]")) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdictWanted));
}

/** Load the queue; return the instant as of which it is, NaN where that is not known. */
async function loadQueue() {
  let answer;
  let cursor = "";
  let page = 0;
  do {
    // A list is a second old at times. That nothing waits is said by none that may have missed something.
    answer = await call("GET", `/v1/reviews?verdict=${verdictWanted}&limit=${QUEUE_PAGE}&cursor=${cursor}&wait=${!queue.length}`);
    cursor = answer.ok ? answer.body.cursor : "";
    page += 1;
  } while (page < MOST_PAGES && cursor && !answer.body.calls.length);
  byId("fresh").classList.toggle("bad", !answer.ok);
  if (!answer.ok) {
    say(byId("fresh"), word("ops.away"));
    return NaN;
  }
  queue = answer.body.calls.filter((each) => each.id !== given?.id);
  goesOn = answer.body.cursor !== "";
  showQueue();
  sayAsOf(byId("queue"), answer.body);
  return Date.parse(answer.body.as_of ?? "");
}

/** A call, with its recording and all that had to be told in it.
 * @param {string} id */
async function open(id) {
  const answer = await call("GET", `/review/calls/${id}`);
  if (!answer.ok) return say(byId("wrong"), wrong(answer));
  say(byId("wrong"), "");
  heard = answer.body;
  showHeard();
  showQueue();
}

function showHeard() {
  const { call: it, own, same, recording, sold } = theHeard();
  byId("heard").hidden = byId("told-card").hidden = false;
  showFacts(byId("facts"), [
    [word("ops.called_at"), dateAndClock(it.started_at)],
    [word("ops.agent"), it.agent],
    [word("ops.carrier"), word(`carrier.${it.carrier}`)],
    [word("detail.caller_number"), it.from],
    [word("ops.number"), it.to],
    [word("order.outcome"), word(`outcome.${it.outcome}`)],
    [word("desk.recording"), [it.recording?.ref, it.recording?.seconds ? span(1000 * it.recording.seconds) : ""].filter(Boolean).join(" · ")],
    [word("order.call_id"), it.id],
  ]);
  player.hidden = !recording;
  byId("nowhere").hidden = Boolean(recording);
  byId("unplayed").hidden = true;
  unplayed = false;
  byId("listening").hidden = !recording;
  if (recording) player.src = recording;
  else player.removeAttribute("src");
  showListening();
  const first = it.reviews[0];
  byId("first-said").hidden = it.verdict !== "contested";
  if (first)
    say(
      byId("first-said"),
      word("review.first_said", {
        by: first.by,
        reasons: [...first.reasons.map((each) => word(`reviewed.${each}`)), first.note].filter(Boolean).join(word("ops.between")),
      }),
    );
  const looksAgain = it.verdict === "contested";
  byId("own").hidden = !own;
  byId("same").hidden = own || !same || !looksAgain;
  byId("first").hidden = own || it.verdict !== "pending";
  byId("second").hidden = own || same || !looksAgain;
  const states = sold.map(({ state }) => state).filter(Boolean);
  const isOn = states.some((state) => !CANCELLABLE.includes(state) && !FAILED.includes(state));
  say(byId("fail-told"), word(states.some((state) => CANCELLABLE.includes(state)) ? "review.fail_freezes" : "review.fail"));
  say(byId("uphold-told"), word(isOn ? "review.uphold_ends" : "review.uphold_cancels"));
  askWhy(false);
  showSold(it, sold);
  showWords(theHeard().transcript, theHeard().altered);
}

/** An order may name another agent than its call: who took the call over, or whose sale another is credited with.
 * @param {Sold} each
 * @param {Api.CallView} it */
const other = (each, it) => (each.agent && each.agent !== it.agent ? make("p", { className: "warn" }, word("review.other_agent", { agent: each.agent })) : "");

/**
 * @param {Api.CallView} it
 * @param {Sold[]} sold */
function showSold(it, sold) {
  const marked = Object.fromEntries(it.disclosures.map((each) => [each.id, each.at]));
  const begins = Date.parse(it.started_at);
  byId("no-sold").hidden = sold.length > 0;
  byId("sold").replaceChildren(
    ...sold.flatMap((each) => {
      const told = Object.entries(each.reads.zh ?? {});
      /** @param {string} id */
      const when = (id) => marked[id] ?? theHeard().transcript?.spoken[id];
      const none = told.length > 0 && !told.some(([id]) => when(id)); // said once, not beside every line
      const lines = told.map(([id, text]) => {
        const at = when(id);
        const seconds = at ? Math.max(0, (Date.parse(at) - begins) / 1000) : 0;
        const where = at
          ? make("button", { type: "button", className: "link" }, word(marked[id] ? "review.spoken" : "review.seems", { at: span(1000 * seconds) }))
          : none
            ? ""
            : make("span", { className: "muted" }, word("review.unmarked"));
        if (at && where) where.addEventListener("click", () => seekTo(seconds));
        return make("li", {}, make("strong", {}, word(`tariffs.${id}`)), make("span", {}, text), where);
      });
      return [
        make("h3", {}, `${each.name} · ${each.plan} v${each.version}${each.state ? ` · ${word(`state.${each.state}`)}` : ""}`),
        other(each, it),
        none ? make("p", { className: "muted" }, word("review.none_marked")) : "",
        make("ul", { className: "plain reads" }, ...lines),
        make("h3", {}, word("review.text")),
        each.text ? make("p", { className: "asked" }, each.text) : make("p", { className: "muted" }, word("review.no_text")),
      ];
    }),
  );
}

/** The words as a machine heard them, with what they hint at; a click plays from there.
 * @param {Transcript | null} words
 * @param {boolean} altered */
function showWords(words, altered) {
  byId("words-card").hidden = !words && !altered;
  byId("altered").hidden = !altered;
  byId("phrases").hidden = byId("words").hidden = altered;
  if (!words) return;
  const begins = Date.parse(theHeard().call.started_at);
  /** @param {string} at */
  const seconds = (at) => Math.max(0, (Date.parse(at) - begins) / 1000);
  const phrases = new Map(words.phrases.map((each) => [each.at, each.phrase]));
  say(
    byId("phrases"),
    words.phrases.length
      ? word("review.phrases", {
          told: words.phrases.map((each) => `“${each.phrase}” ${span(1000 * seconds(each.at))}`).join(word("ops.between")),
          n: words.edition,
        })
      : word("review.no_phrases", { n: words.edition }),
  );
  byId("phrases").className = words.phrases.length ? "bad" : "muted";
  byId("words").replaceChildren(
    ...words.lines.map((each) => {
      const at = make("button", { type: "button", className: "link" }, span(1000 * seconds(each.at)));
      at.addEventListener("click", () => seekTo(seconds(each.at)));
      return make("li", { className: phrases.has(each.at) ? "bad" : "" }, at, ` ${word(each.by === "agent" ? "role.agent" : "review.subscriber")} `, each.text);
    }),
  );
}

/** @param {number} seconds */
function seekTo(seconds) {
  if (!player.src) return;
  player.currentTime = Math.max(0, seconds);
  play();
}

const play = () => player.src && player.play().catch(() => {}); // what cannot be played fires "error"

/** The reasons of a failed review; the focus goes there and back.
 * @param {boolean} open */
function askWhy(open) {
  byId("why").hidden = !open;
  if (!open) return byId("why").reset();
  all("input", byId("reasons"))[0].focus();
}

/** How many seconds of the recording were played: those that were heard twice count once. */
function secondsHeard() {
  if (!heard) return 0;
  const ranges = Array.from({ length: player.played.length }, (_, n) => player.played.end(n) - player.played.start(n));
  const { id } = heard.call;
  heardOf.set(id, Math.max(heardOf.get(id) ?? 0, Math.ceil(ranges.reduce((sum, s) => sum + s, 0))));
  return heardOf.get(id);
}

function showListening() {
  const all = heard?.call.recording?.seconds || Math.floor(player.duration || 0);
  say(byId("heard-told"), word(all ? "review.heard_of" : "review.heard_so_far", { heard: span(1000 * secondsHeard()), all: span(1000 * all) }));
  say(byId("speed"), word("review.speed", { n: player.playbackRate }));
}

function nextSpeed() {
  player.playbackRate = player.defaultPlaybackRate = SPEEDS[(SPEEDS.indexOf(player.playbackRate) + 1) % SPEEDS.length];
  showListening();
}

/** One verdict at a time: a key that is pressed twice decides nothing about the next call.
 * @param {string} path
 * @param {Verdict} body
 * @param {Word} done */
function decide(path, body, done) {
  if (asked || !heard) return;
  const seconds = secondsHeard();
  const passes = body.verdict === "pass" || body.uphold === false;
  if (passes && heard.recording && !unplayed && !seconds) return say(byId("wrong"), word("problem.not_heard"));
  onRequest(() => decided(path, { ...body, heard: seconds, unplayed }, done));
}

/** A verdict is sent some seconds after it was given, or with the next one: until then it can be taken back.
 * @param {string} path
 * @param {Verdict} body
 * @param {Word} done */
async function decided(path, body, done) {
  const { id, recording } = theHeard().call;
  const at = queue.findIndex((each) => each.id === id);
  const following = queue[at + 1] ?? queue.find((each) => each.id !== id);
  const trouble = await send();
  given = { id, ref: recording?.ref ?? "", path, body, timer: setTimeout(() => inTurn(sent), UNDO_MS) };
  heard = null;
  player.pause();
  askWhy(false);
  byId("heard").focus(); // not in a reason that is hidden now: there, no key is a command
  queue = queue.filter((each) => each.id !== id);
  byId("heard").hidden = byId("told-card").hidden = true;
  if (following) await open(following.id);
  else await loadQueue();
  if (trouble) say(byId("wrong"), trouble);
  const told = word("review.given", { ref: given.ref, done: word(done), s: UNDO_MS / 1000 });
  byId("given").hidden = false;
  say(byId("given-told"), told);
  announce(told);
  (following ? byId("heard") : byId("queue-told")).focus();
}

/** Send the verdict that was given; return what is wrong, if anything. */
async function send() {
  if (!given) return "";
  const { id, ref, path, body, timer } = given;
  clearTimeout(timer);
  const answer = await call("POST", `/v1/reviews/${id}${path}`, body);
  given = null;
  byId("given").hidden = true;
  judged = now().getTime();
  coverage(true);
  return answer.ok ? "" : word("order.named", { name: ref }) + wrongField(answer);
}

async function sent() {
  const trouble = await send();
  say(byId("wrong"), trouble);
  say(byId("fresh"), word(trouble ? "review.not_saved" : "review.saved"));
  await loadQueue();
}

function undo() {
  if (!given || asked) return;
  const { id, timer } = given;
  clearTimeout(timer);
  given = null;
  byId("given").hidden = true;
  onRequest(async () => {
    await loadQueue();
    await open(id);
    byId("heard").focus();
  });
}

/** Who leaves the page has given the verdict: it is sent all the same. */
addEventListener("pagehide", () => {
  if (!given) return;
  const { id, path, body } = given;
  fetch(`/v1/reviews/${id}${path}`, {
    method: "POST",
    keepalive: true,
    body: JSON.stringify(body),
    headers: { "X-CSRF-Token": PAGE.csrf, "Content-Type": "application/json" },
  });
});

/** @param {number} by */
async function moved(by) {
  const at = queue.findIndex((each) => each.id === heard?.call.id);
  const to = queue[at < 0 ? 0 : at + by];
  if (!to) return;
  await open(to.id);
  byId("heard").focus();
}

/** @param {Queue} verdict */
async function looked(verdict) {
  const trouble = await send();
  say(byId("wrong"), trouble);
  verdictWanted = verdict;
  queue = [];
  heard = null;
  byId("heard").hidden = byId("told-card").hidden = true;
  const begun = now().getTime();
  for (let n = 0; n < MOST_LOOKS && !queue.length && (await loadQueue()) < begun; n += 1);
  if (queue.length) await open(queue[0].id);
}

/** @param {number} by */
const move = (by) => onRequest(() => moved(by));
/** @param {Queue} verdict */
const look = (verdict) => onRequest(() => looked(verdict));
/** @param {keyof Elements} id */
const shown = (id) => !byId("heard").hidden && !byId(id).closest("[hidden]");
/** @param {number} seconds */
function seekBy(seconds) {
  if (player.src) player.currentTime = Math.max(0, player.currentTime + seconds);
}

/** @type {Record<string, () => any>} */
const KEYS = {
  " ": () => (player.paused ? play() : player.pause()),
  ArrowLeft: () => seekBy(-SEEK_S),
  ArrowRight: () => seekBy(SEEK_S),
  j: () => move(1),
  k: () => move(-1),
  s: () => player.src && nextSpeed(),
  z: undo,
  c: () => look(verdictWanted === "pending" ? "contested" : "pending"),
  p: () => shown("pass") && byId("pass").click(),
  f: () => shown("fail") && byId("fail").click(),
  u: () => shown("uphold") && byId("uphold").click(),
  l: () => shown("free") && byId("free").click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (!byId("why").hidden) {
    const box = byId("reasons").querySelectorAll("input")[Number(event.key) - 1];
    if (event.key === "Escape") {
      askWhy(false);
      byId("fail").focus();
    } else if (box && targetOf(event).id !== "note") box.checked = !box.checked;
    else if (event.key === "Enter" && targetOf(event).type === "checkbox") byId("why").requestSubmit();
    else return;
    return event.preventDefault();
  }
  if (!byId("keys-on").checked || targetOf(event).closest("input, audio, select") || (event.key === " " && targetOf(event).closest("button, a"))) return;
  const does = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) does(); // a key that is held down is one verdict
});

byId("pass").addEventListener("click", () => decide("", { verdict: "pass" }, "review.done_pass"));
byId("fail").addEventListener("click", () => asked || askWhy(true));
byId("next").addEventListener("click", () => move(1));
byId("back").addEventListener("click", () => {
  askWhy(false);
  byId("fail").focus();
});
byId("uphold").addEventListener("click", () => decide("/second", { uphold: true }, "review.done_uphold"));
byId("free").addEventListener("click", () => decide("/second", { uphold: false }, "review.done_free"));
byId("why").addEventListener("submit", (event) => {
  event.preventDefault();
  const reasons = all("input:checked", byId("reasons")).map((box) => box.value);
  if (!reasons.length) return say(byId("wrong"), word("review.choose_one"));
  decide("", { verdict: "fail", reasons, note: byId("note").value }, "review.done_fail");
});
player.addEventListener("error", () => {
  unplayed = Boolean(player.src);
  byId("unplayed").hidden = !unplayed;
});
for (const event of ["timeupdate", "loadedmetadata"]) player.addEventListener(event, showListening);
byId("speed").addEventListener("click", nextSpeed);
byId("undo").addEventListener("click", undo);
for (const button of all("[data-verdict]")) button.addEventListener("click", () => look(/** @type {Queue} */ (button.dataset.verdict)));

look("pending");
setTimeout(every, QUEUE_EVERY_S * 1000, QUEUE_EVERY_S, () => {
  if (!(covered >= judged)) coverage(true);
  return inTurn(loadQueue);
});
isShown();
