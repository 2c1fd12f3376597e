// Brushing: a part of the bars is chosen by dragging, or by arrows with Shift; the address then has it as from and to.

const plot = document.querySelector(".brush");
const chosen = plot.querySelector(".chosen");
const count = () => Number(plot.dataset.count);
let first = null, last = null, isDragging = false;

function at(event) {
  const box = plot.getBoundingClientRect();
  return Math.min(count() - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * count())));
}

function draw() {
  const low = Math.min(first, last), high = Math.max(first, last) + 1;
  chosen.setAttribute("x", `${(100 * low) / count()}%`);
  chosen.setAttribute("width", `${(100 * (high - low)) / count()}%`);
  plot.dataset.touched = "";
}

function show() {
  const start = Number(plot.dataset.start), width = Number(plot.dataset.width);
  const moment = (bar) => new Date((start + bar * width) * 1000).toISOString().replace(".000Z", "Z");
  const address = new URL(plot.dataset.all, location.href);
  address.searchParams.set(`${plot.dataset.by}from`, moment(Math.min(first, last)));
  address.searchParams.set(`${plot.dataset.by}to`, moment(Math.max(first, last) + 1));
  location.assign(address);
}

plot.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  first = last = at(event);
  isDragging = false;
});
plot.addEventListener("pointermove", (event) => {
  if (first === null || !(event.buttons & 1) || (at(event) === last && !isDragging)) return;
  if (!isDragging) plot.setPointerCapture(event.pointerId);
  isDragging = true;
  last = at(event);
  draw();
});
plot.addEventListener("pointerup", () => isDragging && show());
plot.addEventListener("click", (event) => isDragging && event.preventDefault(), true);
plot.addEventListener("dragstart", (event) => event.preventDefault());

plot.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    last = Math.min(count() - 1, Math.max(0, (last ?? count() - 1 - step) + step));
    if (!event.shiftKey || first === null) first = last;
    draw();
  } else if (event.key === "Enter" && first !== null) {
    show();
  } else if (event.key === "Escape" && first !== null) {
    location.assign(plot.dataset.all);
  }
});
