// Live: one stream of hints for all tabs of a browser. A hint says that something changed, the page then fetches itself
// and brings its marked regions up to date, at most twice a second and never more than a tenth of the time.
// Hidden tabs do nothing. Where streams are refused the page asks every 10 s; a lost connection is told, and heals.

import { refresh } from "./morph.js";
import { distance, duration, plural, serverNow, setClock, timeOfDay } from "./telling.js";

const POLL = 10_000, AGAIN = 30_000, SILENCE = 25_000, SOONEST = 500, BUSY = 2_000, LONGEST = 30;
const root = document.body.dataset.root.replace(/\/?$/, "/");
const events = `${root}api/v1/events`;
const name = `scheduler-live ${root}`;
const channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
const only = document.querySelector("[data-live-of]")?.dataset.liveOf;

let holds = false, lastId = "", lostSince = null, due = 0, busy = false, pace = SOONEST, leading = null;

// ---- what is told to all tabs

function tell(message) {
  hear(message);
  channel?.postMessage(message);
}

function hear({ hints, state, again, asks }) {
  if (asks && holds) channel?.postMessage({ state: document.documentElement.dataset.liveness });
  if (state) show(state, again);
  if (hints && !document.hidden) {
    document.dispatchEvent(new CustomEvent("scheduler:hints", { detail: hints }));
    if (hints.some(concerns)) ask();
  }
}

function concerns({ kind, id }) {
  return !only || kind === "all" || `${kind}:${id}` === only;
}

channel?.addEventListener("message", (event) => hear(event.data));

// ---- the stream, which one visible tab holds

async function lead(signal) {
  holds = true;
  try {
    await stream(signal);
  } finally {
    holds = false;
  }
}

async function stream(signal) {
  for (let failures = 0; !signal.aborted; ) {
    try {
      const isTaken = !("polls" in document.body.dataset) && (await follow(signal));
      failures = 0;
      if (isTaken) await pause(200, signal);
      else await poll(signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      await hold(Math.min(2 ** failures, LONGEST), signal);
    }
  }
}

async function follow(signal) {
  const silence = new AbortController(), any = AbortSignal.any([signal, silence.signal]);
  let alarm = setTimeout(() => silence.abort(), SILENCE);
  try {
    // where there is no room the answer is 204 then, and no error in the console
    const headers = { Accept: "text/event-stream", Prefer: "handling=lenient" };
    if (lastId) headers["Last-Event-ID"] = lastId;
    const answer = await fetch(events, { headers, signal: any, cache: "no-store" });
    if ([204, 503].includes(answer.status)) return false;
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    tell({ state: "live" });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return true;
      clearTimeout(alarm);
      alarm = setTimeout(() => silence.abort(), SILENCE);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      const hints = blocks.flatMap(read);
      if (hints.length) tell({ hints });
    }
  } finally {
    clearTimeout(alarm);
  }
}

function read(block) {
  const hints = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) lastId = line.slice(4);
    else if (line.startsWith("data: ")) hints.push(JSON.parse(line.slice(6)));
  }
  return hints;
}

// streams are refused: look every 10 s, and try the stream again from time to time
async function poll(signal) {
  tell({ state: "polling" });
  for (let waited = 0; waited < AGAIN; waited += POLL) {
    await pause(POLL, signal);
    await fetch(`${root}healthz`, { signal, cache: "no-store" });  // throws when the service is lost
    tell({ hints: [{ kind: "all", id: null }] });
  }
}

async function hold(seconds, signal) {
  lostSince ??= serverNow();
  for (let left = seconds; left > 0 && !signal.aborted; left -= 1) {
    tell({ state: "lost", again: { since: lostSince, left } });
    await pause(1000, signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

// ---- the page

const connection = document.getElementById("connection");
const liveness = connection?.insertBefore(document.createElement("span"), connection.querySelector("span"));

function show(state, again) {
  const was = document.documentElement.dataset.liveness;
  document.documentElement.dataset.liveness = state;
  if (state !== "lost") lostSince = null;
  if (liveness) liveness.textContent = words(state, again);
  if (was === "lost" && state !== "lost") ask();
}

function words(state, again) {
  if (!state || (state === "lost" && !again)) return "";
  if (state === "live") return "Live · ";
  if (state === "polling") return "Every 10 s · ";
  return `Not live since ${timeOfDay(again.since)}, retrying in ${again.left} s`;
}

function ask() {
  if (due) return;
  due = setTimeout(paint, pace);
}

async function paint() {
  due = 0;
  if (document.hidden) return;
  if (busy) return ask();
  busy = true;
  const began = performance.now();
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 401) return location.reload();
    if (answer.status === 503) return void (pace = BUSY, ask());
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    setClock(fresh.body.dataset.now);
    pace = Math.max(SOONEST, 10 * (performance.now() - began));
    requestAnimationFrame(() => {
      const newer = refresh(fresh);
      tick();
      if (newer) tellNewer(newer);
      document.dispatchEvent(new CustomEvent("scheduler:painted"));
    });
  } catch {
    // the stream tells of it
  } finally {
    busy = false;
  }
}

function tellNewer(number) {
  const line = document.querySelector("[data-newer]");
  if (!line) return;
  line.querySelector("span").textContent = `${number >= 50 ? "50 or more newer runs" : plural(number, "newer run")} arrived`;
  line.hidden = false;
}

function tick() {
  for (const told of document.querySelectorAll("[data-distance]")) put(told, distance(Date.parse(told.dataset.distance)));
  for (const told of document.querySelectorAll("[data-elapsed]")) {
    put(told, duration(Math.max(0, Math.floor((serverNow() - Date.parse(told.dataset.elapsed)) / 1000))));
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ---- only while somebody looks

function wake() {
  if (!connection || document.hidden || leading) return;
  leading = new AbortController();
  const { signal } = leading;
  const led = navigator.locks
    ? navigator.locks.request(name, { signal }, () => lead(signal))
    : lead(signal);
  led.catch(() => {});
  channel?.postMessage({ asks: true });
  ask();
}

function sleep() {
  leading?.abort();
  leading = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? sleep() : wake()));
window.addEventListener("pagehide", sleep);
window.addEventListener("pageshow", wake);
setInterval(() => document.hidden || tick(), 1000);
const every = Number(document.querySelector("[data-live-every]")?.dataset.liveEvery);
if (every) setInterval(() => document.hidden || !document.querySelector("[data-live-every]") || ask(), every * 1000);
wake();
