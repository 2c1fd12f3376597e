// A link to a page that asks something opens as a dialog on the page where one is; its form posts as it would there.
// Menus close when something else is clicked, and with Escape.

import { page } from "./calling.js";

async function open(link) {
  const sheet = (await page(link.href)).querySelector(".sheet");
  if (!sheet) {
    location.href = link.href;
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.className = "of-sheet";
  dialog.setAttribute("aria-label", sheet.querySelector("h1")?.textContent ?? "");
  dialog.append(document.adoptNode(sheet));
  const back = dialog.querySelector('input[name="back"]') ?? document.createElement("input");
  Object.assign(back, { type: "hidden", name: "back", value: location.pathname + location.search });
  dialog.querySelector("form").append(back);
  dialog.querySelector("[data-cancel]")?.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// What can be done with a row: made from the page's template when it is asked for, on the link that leads to the job.
function unfold(link) {
  const menu = Object.assign(document.createElement("details"), { className: "menu", open: true });
  const dots = Object.assign(document.createElement("summary"), { textContent: "⋯" });
  dots.setAttribute("aria-label", link.getAttribute("aria-label"));
  menu.append(dots, document.getElementById("menu").content.cloneNode(true));
  const id = link.closest("[data-id]").dataset.id;
  for (const at of menu.querySelectorAll("a, button")) {
    const name = at.matches("a") ? "href" : "formaction";
    at.setAttribute(name, at.getAttribute(name).replace("JOB", encodeURIComponent(id)));
  }
  if (!["active", "paused"].includes(link.dataset.menu)) for (const item of menu.querySelectorAll("[data-fires]")) item.remove();
  link.replaceWith(menu);
  dots.focus();
}

document.addEventListener("click", (event) => {
  const dots = event.target.closest("a[data-menu]");
  if (dots && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    unfold(dots);
    event = { target: document.querySelector("details.menu[open] summary:focus"), button: -1 };
  }
  const link = event.target.closest("a[data-sheet]");
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (link || !menu.contains(event.target)) menu.open = false;
  }
  if (link && !event.ctrlKey && !event.metaKey && event.button === 0) {
    event.preventDefault();
    open(link);
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault();
  }
});
