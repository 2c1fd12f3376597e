// New and Edit: a preview while typing, faults at their fields, nothing lost by leaving.

import { difference, python, read } from "./bodies.js";
import { call, page, plural, Problem, root } from "./calling.js";

const QUIET = 150;
const SHOWN = 5;
const form = document.getElementById("editor");
const task = form.querySelector("[data-task]");
const id = form.dataset.job;
// as it was sent: someone may have typed before this script was here
const sent = form.cloneNode(true);
sent.reset();
const before = read(sent).body;
const begun = JSON.stringify(before);
const preview = document.querySelector("[data-preview]");
let latest = 0;
let waiting = 0;
let left = false;

const patch = (body) => {
  const { id: _, ...changes } = difference(before, body);
  return changes;
};
const isChanged = () => !left && JSON.stringify(read(form).body) !== begun;

// what it would do

async function look() {
  const mine = ++latest;
  const { body } = read(form);
  tellSame(body);
  const trigger = body.trigger;
  if (!trigger || !Object.keys(trigger).some((name) => !["type", "timezone", "on"].includes(name))) {
    show({ description: form.elements.when.value === "now" ? "once, as soon as it is added" : "Say when, and it is told here.", next_run_times: [], warnings: [] });
    return;
  }
  preview.setAttribute("aria-busy", "true");
  try {
    const told = await call("POST", "/triggers/preview", { trigger, count: SHOWN });
    if (mine !== latest) return;
    mark([], "/trigger");
    show(told, trigger.timezone);
  } catch (error) {
    if (mine !== latest || !(error instanceof Problem)) return;
    mark(error.faults.filter((fault) => fault.pointer.startsWith("/trigger")), "/trigger");
  }
}

function show(told, zone) {
  preview.setAttribute("aria-busy", "false");
  preview.querySelector("[data-reads]").textContent = told.description;
  const zoned = known(zone) ?? known(form.dataset.zone) ?? "UTC";
  let last = null;
  preview.querySelector("[data-times]").replaceChildren(...told.next_run_times.map((text) => {
    const at = new Date(text);
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", { timeZone: zoned, weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" }).formatToParts(at).map((part) => [part.type, part.value]));
    const day = `${parts.weekday} ${parts.day} ${parts.month} ${parts.year}`;
    const row = document.createElement("tr");
    row.append(
      cell("td", day === last ? "" : day, "of-day"),
      cell("td", `${parts.hour}:${parts.minute}${parts.second === "00" ? "" : `:${parts.second}`}`, "mono"),
      cell("td", parts.timeZoneName, "note"),
      cell("td", away(at), "away right"),
    );
    last = day;
    return row;
  }));
  const warnings = document.querySelector("[data-warnings]");
  warnings.hidden = !told.warnings.length;
  warnings.querySelector("ul").replaceChildren(...told.warnings.map((text) => cell("li", text, "")));
  document.dispatchEvent(new CustomEvent("previewed", { detail: { times: told.next_run_times, zone: zoned } }));
}

function cell(kind, text, className) {
  return Object.assign(document.createElement(kind), { textContent: text, className });
}

function known(zone) {
  try {
    return zone && new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}

// by the clock of the server, since when this page was made
function serverNow() {
  return Date.parse(document.body.dataset.now) + performance.now();
}

function away(at) {
  const seconds = Math.max(0, Math.round((at - serverNow()) / 1000));
  const two = (size, name, part, partName) => {
    const rest = Math.floor((seconds % size) / part);
    return `in ${Math.floor(seconds / size)} ${name}${rest ? ` ${String(rest).padStart(2, "0")} ${partName}` : ""}`;
  };
  if (seconds < 60) return `in ${seconds} s`;
  if (seconds < 3600) return two(60 * 60, "h", 60, "m").replace(/^in 0 h /, "in ").replace(/^in 0(\d)/, "in $1");
  return seconds < 86400 ? two(3600, "h", 60, "m") : two(86400, "d", 3600, "h");
}

// the same from a program

function tellSame(body) {
  const url = `${location.origin}${root}/api/v1/jobs${id ? `/${id}` : ""}`;
  const told = id ? patch(body) : body;
  const verb = id ? "PATCH" : "POST";
  const text = JSON.stringify(told, null, 1);
  const quoted = text.replaceAll("'", "'\\''");
  const same = {
    curl: `curl -X ${verb} ${url} \\\n  -H "Authorization: Bearer $KEY" \\\n  --json '${quoted}'`,
    Python: `httpx.${verb.toLowerCase()}(\n    "${url}",\n    headers={"Authorization": f"Bearer {KEY}"},\n    json=${python(told, "    ")},\n)`,
    JSON: text,
  };
  for (const [name, said] of Object.entries(same)) document.querySelector(`[data-as="${name}"]`).textContent = said;
}

const copy = document.querySelector("[data-copy-snippet]");
copy.hidden = !navigator.clipboard;
copy.addEventListener("click", async () => {
  const name = form.querySelector('input[name="_as"]:checked').value;
  await navigator.clipboard.writeText(document.querySelector(`[data-as="${name}"]`).textContent);
  copy.textContent = "Copied";
  setTimeout(() => (copy.textContent = "Copy"), 1500);
});

// where it falls in the week

const falls = document.querySelector("[data-falls]");
const use = falls?.querySelector("[data-use]");

document.addEventListener("previewed", ({ detail: { times } }) => {
  const hours = new Set(times.map((text) => Math.floor(Date.parse(text) / 3600e3)));
  let told = "";
  for (const cell of falls?.querySelectorAll("[data-at]") ?? []) {
    const is = hours.has(Math.floor(Date.parse(cell.dataset.at) / 3600e3));
    cell.classList.toggle("is-chosen", is);
    if (is && !told) told = `${cell.dataset.told} planned`;
  }
  if (falls) falls.querySelector("[data-falls-told]").textContent = told;
  if (use) use.hidden = form.elements.when.value !== "cron";
});
use?.addEventListener("click", () => {
  const expression = form.querySelector("#f-trigger-expression");
  expression.value = use.dataset.use;
  expression.dispatchEvent(new Event("input", { bubbles: true }));
});

// the parts of a cron expression

const PARTS = ["minute", "hour", "day of month", "month", "day of week"];
function tellParts() {
  const given = form.querySelector("#f-trigger-expression").value.trim().split(/\s+/).filter(Boolean);
  document.querySelector("[data-parts]").textContent = given.length === PARTS.length ? PARTS.map((name, n) => `${given[n]} ${name}`).join("   ") : "minute, hour, day of month, month, day of week";
}

// faults

function field(pointer) {
  for (let name = pointer; name; name = name.slice(0, name.lastIndexOf("/"))) {
    const at = document.getElementById(`f${name.replaceAll("/", "-")}`);
    if (at && at.getClientRects().length) return at;
    const kept = at?.closest("details:not([open])");
    if (kept) {
      kept.open = true;
      return at;
    }
  }
  return null;
}

function mark(faults, under = "") {
  for (const at of form.querySelectorAll('[aria-invalid="true"]')) {
    if (!under || at.id.startsWith(`f${under.replaceAll("/", "-")}`)) at.removeAttribute("aria-invalid");
  }
  for (const told of form.querySelectorAll(".wrong")) {
    if (!under || told.id.startsWith(`wrong${under.replaceAll("/", "-")}`)) told.remove();
  }
  for (const fault of faults) {
    const at = field(fault.pointer);
    const told = Object.assign(document.createElement("p"), { className: "wrong", id: `wrong${fault.pointer.replaceAll("/", "-")}`, textContent: fault.detail });
    if (!at) {
      if (fault.pointer.startsWith("/trigger")) form.querySelector(".when .either-of").after(told);
      continue;
    }
    at.setAttribute("aria-invalid", "true");
    at.setAttribute("aria-describedby", told.id);
    (at.closest(".value") ?? at.parentElement).append(told);
  }
}

function refuse(faults) {
  mark(faults);
  const summary = document.getElementById("summary");
  summary.hidden = false;
  summary.querySelector("[data-told]").textContent = `${plural(faults.length, "thing is", "things are")} wrong`;
  summary.querySelector("[data-faults]").replaceChildren(...faults.map((fault) => {
    const link = Object.assign(document.createElement("a"), { textContent: fault.detail, href: `#${field(fault.pointer)?.id ?? "summary"}` });
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  summary.focus();
}

// saving

async function save(does) {
  const { body, faults } = read(form);
  if (faults.length) return refuse(faults);
  try {
    const version = form.elements.version.value;
    const job = id
      ? await call("PATCH", `/jobs/${encodeURIComponent(id)}`, patch(body), version ? { "If-Match": `"${version}"` } : {})
      : await call("POST", "/jobs", body);
    if (does === "create-and-run" && job.trigger) await call("POST", `/jobs/${encodeURIComponent(job.id)}/run`, {});
    left = true;
    location.href = form.dataset.shown.replace("JOB", encodeURIComponent(job.id));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 412) {
      left = true;
      return form.submit(); // the page shows both versions
    }
    refuse(error.faults);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  save(event.submitter?.value);
});
form.addEventListener("input", (event) => {
  if (event.target.matches("[data-task]")) return;
  tellParts();
  clearTimeout(waiting);
  waiting = setTimeout(look, QUIET);
});
async function followTask() {
  const address = new URL(location.href);
  address.searchParams.set("task", task.value);
  const fresh = await page(address);
  for (const part of ["#arguments", "#f-max_retries", "#f-timeout"]) {
    const found = fresh.querySelector(part);
    if (part === "#arguments") document.querySelector(part).replaceWith(document.adoptNode(found));
    else document.querySelector(part).placeholder = found.placeholder;
  }
  look();
}

task?.addEventListener("change", followTask);
form.querySelector("[data-leave]").addEventListener("click", (event) => {
  if (isChanged() && !confirm("Leave without saving? What you changed here is lost.")) event.preventDefault();
  else left = true;
});
addEventListener("beforeunload", (event) => {
  if (isChanged()) event.preventDefault();
});
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(form.querySelector('.actions button[value="save"], .actions button[value="create"]'));
  } else if (event.key === "Escape" && !event.defaultPrevented && !event.target.closest("dialog, select")) {
    form.querySelector("[data-leave]").click();
  }
});

if (task && task.value !== sent.querySelector("[data-task]").value) followTask();
tellParts();
look();
