// Arrows move through the hours of the week, Home and End within a day; Enter follows the link of an hour.

const grid = document.querySelector(".heat");
const rows = [...grid.querySelectorAll(".heat-row:not(.hours-row)")].map((row) => [...row.querySelectorAll(".slot")]);
const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -23], End: [0, 23] };

function cellAt(row, hour) {
  const slots = rows[Math.min(rows.length - 1, Math.max(0, row))];
  return slots[Math.min(slots.length - 1, Math.max(0, hour))].querySelector("a");
}

function enter(link) {
  for (const other of grid.querySelectorAll("a[tabindex='0']")) other.tabIndex = -1;
  link.tabIndex = 0;
}

function move(event) {
  const step = steps[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  // what is drawn sideways on a narrow screen is walked sideways too
  const turned = getComputedStyle(grid).gridAutoFlow.includes("column");
  const [down, right] = turned && event.key.startsWith("Arrow") ? [step[1], step[0]] : step;
  const slot = event.target.closest(".slot");
  const row = rows.findIndex((slots) => slots.includes(slot));
  const next = cellAt(row + down, rows[row].indexOf(slot) + right);
  event.preventDefault();
  if (next) {
    enter(next);
    next.focus();
  }
}

for (const link of grid.querySelectorAll("a")) link.tabIndex = -1;
enter(grid.querySelector("a[aria-current]") ?? grid.querySelector("a"));
grid.addEventListener("keydown", move);
