// The list of jobs: filtering while typing, selecting, doing something with many, switching one on and off, folding.

import { call, page, plural, Problem } from "./calling.js";
import "./sheets.js";

const QUIET = 150;
const AT_ONCE = 1000;
const DONE = { run: "queued", pause: "paused", resume: "resumed", delete: "deleted" };
const FOLDED = "scheduler_folded";
const form = document.querySelector("form.filters");
const bulk = document.getElementById("bulk");
const chosen = new Set();
let matching = false;
let latest = 0;
let waiting = 0;

// the list

function wanted() {
  const said = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) said.set(name, value);
  return form.action.split("?")[0] + (said.size ? `?${said}` : "");
}

async function show(address, { keeps = true } = {}) {
  const mine = ++latest;
  document.getElementById("list")?.setAttribute("aria-busy", "true");
  const fresh = await page(address);
  if (mine !== latest) return; // a later key has asked for another list
  for (const part of document.querySelectorAll("[data-part]")) {
    const found = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (found) part.replaceWith(document.adoptNode(found));
  }
  for (const name of ["q", "look", "tag"]) {
    bulk.querySelector(`input[name="${name}"]`)?.remove();
    const found = fresh.querySelector(`#bulk input[name="${name}"]`);
    if (found) bulk.append(document.adoptNode(found));
  }
  if (keeps) history.replaceState(null, "", address);
  refold();
  tell();
}

form?.addEventListener("input", (event) => {
  if (!event.target.matches("[data-filter]")) return;
  clearTimeout(waiting);
  clear();
  waiting = setTimeout(() => show(wanted()), QUIET);
});
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(waiting);
  show(wanted());
});

// folding by tag is kept

const folded = () => new Set(JSON.parse(localStorage.getItem(FOLDED) ?? "[]"));

function fold(group, isFolded) {
  group.querySelector("[data-fold]")?.setAttribute("aria-expanded", String(!isFolded));
  for (const row of group.querySelectorAll("tr[data-id]")) row.hidden = isFolded;
}

function refold() {
  const kept = folded();
  for (const group of document.querySelectorAll("tbody[data-group]")) fold(group, kept.has(group.dataset.group));
}

// selecting

const boxes = () => [...document.querySelectorAll('.pick input[name="id"]')];

function tell() {
  const bar = document.querySelector(".bulk-bar");
  if (!bar) return;
  for (const box of boxes()) box.checked = matching || chosen.has(box.value);
  const many = Number(document.getElementById("list").dataset.matching);
  const some = matching ? Math.min(many, AT_ONCE) : chosen.size;
  bar.classList.toggle("is-on", some > 0);
  bar.querySelector("[data-chosen]").textContent = some ? `${some.toLocaleString("en")} selected` : "Select jobs";
  bar.querySelector("[data-select-matching]").hidden = matching || !some || some >= many;
  bar.querySelector("[data-clear]").hidden = !some;
  const all = bar.querySelector("[data-all]");
  all.checked = boxes().length > 0 && boxes().every((box) => box.checked);
  all.indeterminate = some > 0 && !all.checked;
  for (const told of document.querySelectorAll("[data-many]")) told.textContent = plural(some, "job");
}

function clear() {
  chosen.clear();
  matching = false;
  tell();
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("[data-all]")) {
    matching = false;
    for (const each of boxes()) box.checked ? chosen.add(each.value) : chosen.delete(each.value);
  } else if (box.matches('.pick input[name="id"]')) {
    if (matching) for (const each of boxes()) chosen.add(each.value);
    matching = false;
    box.checked ? chosen.add(box.value) : chosen.delete(box.value);
  } else return;
  tell();
});

// doing something with many

function ask(name) {
  const dialog = document.querySelector(`dialog[data-bulk="${name}"]`);
  if (!dialog) return Promise.resolve({ value: "go" });
  return new Promise((resolve) => {
    dialog.returnValue = "cancel";
    dialog.addEventListener("close", () => resolve({ value: dialog.returnValue, said: new FormData(dialog.querySelector("form")) }), { once: true });
    dialog.showModal();
  });
}

function filter() {
  const said = new FormData(bulk);
  const found = {};
  if (said.get("q")) found.q = said.get("q");
  if (said.get("tag")) found.tag = [said.get("tag")];
  if (["broken", "paused"].includes(said.get("look"))) found.state = [said.get("look")];
  else if (said.get("look")) return null; // what needs a look is known to the page alone
  return Object.keys(found).length ? found : { state: ["active", "paused", "broken"] };
}

async function act(action) {
  const answer = await ask(action);
  if (answer.value === "cancel") return;
  const where = matching ? filter() : null;
  if (action === "tag" || (matching && !where)) return post(answer.value === "remove" ? "untag" : action, answer.said);
  const body = { action, ...(matching ? { filter: where } : { ids: [...chosen] }) };
  if (action === "pause" && answer.said?.get("reason")) body.reason = answer.said.get("reason");
  try {
    report(action, await call("POST", "/jobs/actions", body));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    result([[null, error.message]], `Not done`, true);
  }
  clear();
  show(location.href, { keeps: false });
}

function post(action, said) {
  const extra = { do: action, sure: "yes", word: said?.get("tag"), reason: said?.get("reason") };
  if (matching) extra.matching = "yes";
  for (const [name, value] of Object.entries(extra)) {
    if (value) bulk.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  for (const id of matching ? [] : chosen) {
    if (!boxes().some((box) => box.value === id)) bulk.append(Object.assign(document.createElement("input"), { type: "hidden", name: "id", value: id }));
  }
  bulk.submit();
}

function report(action, told) {
  const refused = told.items.filter((item) => item.problem).map((item) => [item.id, item.problem.detail]);
  const well = told.items.length - refused.length;
  const rest = told.matched > told.items.length ? `, ${(told.matched - told.items.length).toLocaleString("en")} more fit: do it again for them` : "";
  result(refused, `${well.toLocaleString("en")} ${DONE[action]}${refused.length ? `, ${refused.length.toLocaleString("en")} refused` : ""}${rest}`, refused.length > 0);
}

function result(refused, told, isBad) {
  const banner = Object.assign(document.createElement("div"), { className: `banner ${isBad ? "missed" : "good"}` });
  banner.append(Object.assign(document.createElement("strong"), { textContent: told }));
  if (refused.length) {
    const list = Object.assign(document.createElement("ul"), { className: "refusals" });
    for (const [id, why] of refused) {
      const item = document.createElement("li");
      if (id) item.append(Object.assign(document.createElement("code"), { textContent: id }), " ");
      item.append(why);
      list.append(item);
    }
    banner.append(list);
  }
  document.getElementById("result").replaceChildren(banner);
}

// one job on and off, in place

async function flip(button) {
  const on = button.getAttribute("aria-checked") === "true";
  button.disabled = true;
  try {
    await call("POST", `/jobs/${encodeURIComponent(button.dataset.switch)}/${on ? "pause" : "resume"}`, {});
    await show(location.href, { keeps: false });
    document.querySelector(`[data-switch="${CSS.escape(button.dataset.switch)}"]`)?.focus();
  } catch (error) {
    result([[button.dataset.switch, error.message]], "Not done", true);
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  const button = at('button[name="do"][form="bulk"]');
  if (button) {
    event.preventDefault();
    if (chosen.size || matching) act(button.value);
  } else if (at("[data-switch]")) {
    event.preventDefault();
    flip(at("[data-switch]"));
  } else if (at("[data-select-matching]")) {
    matching = true;
    tell();
  } else if (at("[data-clear]")) clear();
  else if (at("[data-fold]")) {
    const group = at("tbody[data-group]");
    const kept = folded();
    kept.has(group.dataset.group) ? kept.delete(group.dataset.group) : kept.add(group.dataset.group);
    localStorage.setItem(FOLDED, JSON.stringify([...kept]));
    fold(group, kept.has(group.dataset.group));
  }
});

document.addEventListener("keydown", (event) => {
  const isElsewhere = event.target.closest("input:not([type=checkbox]), textarea, select, dialog, details[open]");
  if (event.key === "Escape" && !isElsewhere && (chosen.size || matching)) clear();
});

refold();
for (const box of boxes()) if (box.checked) chosen.add(box.value); // the browser may remember ticks
tell();
