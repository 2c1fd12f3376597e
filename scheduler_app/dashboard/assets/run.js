// The log of a run: follow, find, filter, wrap. What comes is read from the API by offset; at most 2,000 lines stay.

import { lineOf } from "./ansi.js";
import { plural, timeOfDay } from "./telling.js";

const MOST = 2000, NEAR = 24;
const log = document.querySelector("[data-log]");
const body = log.querySelector(".log-body"), list = log.querySelector("ol");
const part = (name) => log.querySelector(`[data-${name}]`);
const follow = part("follow"), find = part("find"), found = part("found");

let offset = Number(log.dataset.offset), lines = Number(log.dataset.lines), level = "", rest = "";
let following = false, unseen = 0, busy = false, again = false;

// ---- what comes

async function read() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    for (let isMore = true; isMore; ) {
      again = false;
      const answer = await fetch(`${log.dataset.log}?offset=${offset}`, { cache: "no-store" });
      if (!answer.ok) return;
      const slice = await answer.json();
      isMore = slice.next_offset > offset || again;
      offset = slice.next_offset;
      add(slice);
      if (slice.complete) end();
    }
  } catch {
    // the stream tells of a lost connection
  } finally {
    busy = false;
  }
}

function add({ text, omitted, complete }) {
  const whole = (rest + text).split("\n");
  rest = whole.pop();
  if (complete && rest) whole.push(rest), (rest = "");
  if (omitted) list.append(gap(omitted));
  const fresh = whole.map(draw);
  if (!fresh.length) return;
  list.append(...fresh);
  while (list.children.length > MOST) list.firstElementChild.remove();
  part("none").hidden = true;
  part("log-count").textContent = plural(lines, "line");
  if (find.value) mark();
  if (following) stick();
  else unseen += fresh.length;
  tellFollowing();
}

function draw(text) {
  const line = lineOf(text.replace(/\r$/, ""), level), item = document.createElement("li");
  level = line.level;
  lines += 1;
  if (level === "warn" || level === "error") item.className = level;
  const inner = document.createElement("span");
  for (const { look, text: words } of line.spans) inner.append(look ? element("em", words, look) : words);
  item.append(element("b", lines), element("time", line.at ? timeOfDay(line.at) : ""), element("i", line.at ? level : ""), inner);
  return item;
}

function gap(bytes) {
  return element("li", `${bytes.toLocaleString("en-US")} bytes were not kept`, "gap");
}

function element(name, text, look = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (look) made.className = look;
  return made;
}

// ---- following

function stick() {
  body.scrollTop = body.scrollHeight;
}

function setFollowing(value) {
  following = value;
  if (value) {
    unseen = 0;
    stick();
  }
  tellFollowing();
}

function tellFollowing() {
  follow.lastElementChild.textContent = following ? "Following" : unseen ? plural(unseen, "new line") : "Follow";
  follow.setAttribute("aria-pressed", String(following));
}

body.addEventListener("scroll", () => {
  const isAtEnd = body.scrollHeight - body.scrollTop - body.clientHeight < NEAR;
  if (follow.hidden || isAtEnd === following) return;
  setFollowing(isAtEnd);
});
follow.addEventListener("click", () => setFollowing(!following || unseen > 0));

function end() {
  log.dataset.open = "false";
  follow.hidden = true;
  document.querySelector("[data-following]").hidden = true;
  if (!lines) part("none").textContent = "This run wrote nothing.";
}

// ---- find, level, wrap

let here = -1;

function mark() {
  for (const item of list.querySelectorAll("li.found")) {
    item.classList.remove("found");
    for (const old of item.querySelectorAll("mark")) old.replaceWith(old.firstChild ?? "");
    item.normalize();
  }
  const words = find.value.toLowerCase();
  if (words) for (const item of list.children) markIn(item, words);
  const marks = list.querySelectorAll("mark");
  here = Math.min(here, marks.length - 1);
  found.textContent = words ? (marks.length ? `${Math.max(here, 0) + 1} of ${marks.length}` : "none") : "";
}

function markIn(item, words) {
  if (!item.lastElementChild?.textContent.toLowerCase().includes(words)) return;
  const walker = document.createTreeWalker(item.lastElementChild, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    let node = text, at;
    while ((at = node.data.toLowerCase().indexOf(words)) >= 0) {
      const match = node.splitText(at);
      node = match.splitText(words.length);
      const marked = document.createElement("mark");
      match.replaceWith(marked);
      marked.append(match);
      item.classList.add("found");
    }
  }
}

function go(step) {
  const marks = [...list.querySelectorAll("mark")];
  if (!marks.length) return;
  marks[here]?.classList.remove("here");
  here = (here + step + marks.length) % marks.length;
  marks[here].classList.add("here");
  marks[here].scrollIntoView({ block: "nearest" });
  found.textContent = `${here + 1} of ${marks.length}`;
}

find.addEventListener("input", () => {
  here = -1;
  mark();
  go(1);
});
find.addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.preventDefault(), go(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") (find.value = ""), mark(), find.blur();
});

function toggle(button, look) {
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    log.classList.toggle(look, look === "no-wrap" ? !pressed : pressed);
    if (following) stick();
  });
}

toggle(part("level"), "worse-only");
toggle(part("wrap"), "no-wrap");

if (log.dataset.open === "true") {
  follow.hidden = false;
  document.querySelector("[data-following]").hidden = false;
  setFollowing(true);
  document.addEventListener("scheduler:hints", () => read());
  document.addEventListener("scheduler:painted", () => read());
  read();
}
