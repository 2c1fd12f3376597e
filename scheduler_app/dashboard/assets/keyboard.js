// Keys: single ones act only outside of fields, and can be switched off. An element says which key it answers to with
// data-key; rows of a table marked with data-rows are walked with j and k.

const COOKIE = "scheduler_keys";
const ONE_YEAR = 365 * 86400;
const root = document.body.dataset.root;
const FIELDS = "input, textarea, select, [contenteditable]";
let waitsForPage = 0;

const isOn = () => !document.cookie.includes(`${COOKIE}=off`);

function setOn(on) {
  document.cookie = `${COOKIE}=${on ? "on" : "off"}; path=${root.replace(/(.)\/$/, "$1")}; max-age=${ONE_YEAR}; samesite=strict`;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !isOn()) return;
  const isField = event.target.closest?.(FIELDS) && !["checkbox", "radio"].includes(event.target.type);
  if (isField || document.querySelector("dialog:modal")) return;
  if (act(event)) event.preventDefault();
});

function act(event) {
  if (performance.now() < waitsForPage) {
    waitsForPage = 0;
    return goTo(event.key);
  }
  if (event.key === "g") {
    waitsForPage = performance.now() + 1500;
    return true;
  }
  if (event.key === "?") return showHelp();
  return press(event.key) || walk(event.key);
}

// the pages of the rail, by the first letter of their names
function goTo(key) {
  const links = [...document.querySelectorAll(".rail > ul:first-of-type a")];
  const link = links.find(({ textContent }) => textContent.trim().toLowerCase().startsWith(key));
  link?.click();
  return Boolean(link);
}

function press(key) {
  const all = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter((one) => one.checkVisibility());
  const target = all.find((one) => one.closest("main")) ?? all[0];
  if (!target) return false;
  if (target.matches(FIELDS)) target.focus();
  else target.click();
  return true;
}

// ---- rows

function walk(key) {
  const rows = [...document.querySelectorAll("[data-rows] [data-id]")];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  if (key === "j" || key === "k") {
    const row = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + (key === "j" ? 1 : -1)))];
    row?.querySelector("a[href]:not(.quiet), a[href]")?.focus();
    row?.scrollIntoView({ block: "nearest" });
    return Boolean(row);
  }
  if (key === "x" && at >= 0) {
    const box = rows[at].querySelector('input[type="checkbox"]');
    box?.click();
    return Boolean(box);
  }
  if (key === "Escape" && at >= 0) {
    document.activeElement.blur();
    return true;
  }
  return false;
}

// ---- help

const HELP = [
  ["/", "search jobs, runs and tasks; arrows and Enter choose"],
  ["g then o j r t w s", "Overview, Jobs, Runs, Timeline, Week, Scheduler"],
  ["n", "new job"],
  ["j k", "next and previous row, or run"],
  ["x", "select the row"],
  ["Enter", "open"],
  ["Esc", "back, or clear"],
];

function showHelp() {
  const dialog = document.getElementById("help") ?? makeHelp();
  if (!dialog.open) dialog.showModal();
  return true;
}

function makeHelp() {
  const dialog = document.createElement("dialog");
  dialog.id = "help";
  dialog.setAttribute("aria-labelledby", "help-title");
  const title = add(dialog, "h2", "Keys");
  title.id = "help-title";
  const list = add(dialog, "dl");
  list.className = "facts keys-help";
  const own = [...document.querySelectorAll("main [data-key]")].map((one) => [one.dataset.key, nameOf(one)]);
  for (const [key, what] of [...own.filter(([key]) => key !== "/" && key !== "n"), ...HELP]) {
    add(add(list, "dt"), "kbd", key);
    add(list, "dd", what);
  }
  const label = add(add(dialog, "p"), "label"), box = label.appendChild(document.createElement("input"));
  box.type = "checkbox";
  box.checked = isOn();
  box.addEventListener("change", () => setOn(box.checked));
  label.append(" Single keys act (this browser only)");
  const close = add(add(dialog, "p"), "button", "Close");
  close.parentElement.className = "actions";
  close.autofocus = true;
  close.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  return dialog;
}

function nameOf(element) {
  const copy = element.cloneNode(true);
  for (const key of copy.querySelectorAll("kbd")) key.remove();
  return element.getAttribute("aria-label") ?? copy.textContent.trim();
}

function add(parent, name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return parent.appendChild(made);
}

// with single keys off, the question mark still tells how to switch them on
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !isOn() && !event.target.closest?.(FIELDS)) showHelp();
});
