// One job: its runs are walked by the arrow keys.

import "./sheets.js";

const plot = document.querySelector("[data-plot]");
const line = document.querySelector("[data-line]");
const columns = plot ? [...plot.querySelectorAll("a[data-told]")] : [];
const MOVES = { ArrowLeft: -1, ArrowRight: 1, Home: -columns.length, End: columns.length };
let at = columns.length - 1;

function go(to) {
  columns[at]?.classList.remove("is-at");
  at = Math.max(0, Math.min(columns.length - 1, to));
  columns[at].classList.add("is-at");
  line.textContent = columns[at].dataset.told;
}

plot?.addEventListener("keydown", (event) => {
  if (event.key in MOVES) {
    event.preventDefault();
    go(at + MOVES[event.key]);
  } else if (event.key === "Enter") location.href = columns[at].href.baseVal;
});
plot?.addEventListener("focus", () => go(at));
plot?.addEventListener("blur", () => columns[at]?.classList.remove("is-at"));
plot?.addEventListener("pointerover", (event) => {
  const column = event.target.closest("a[data-told]");
  if (column) line.textContent = column.dataset.told;
});
