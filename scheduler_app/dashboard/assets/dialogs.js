// Dialogs that stand in the page open in place of the address that shows them without scripts; a click copies an instant.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog) {
    event.preventDefault();
    dialog.close();
    dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
    return;
  }
  const closer = event.target.closest("dialog [data-close]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog").close();
    return;
  }
  const instant = event.target.closest("[data-copy]");
  if (instant && instant.title) copy(instant, instant.getAttribute("datetime"));
  const source = event.target.closest("[data-copy-from]");
  if (source) copy(source, document.getElementById(source.dataset.copyFrom).textContent);
});

async function copy(element, text) {
  if (!navigator.clipboard) return;
  await navigator.clipboard.writeText(text);
  element.dataset.copied = "";
  setTimeout(() => delete element.dataset.copied, 1000);
}

for (const source of document.querySelectorAll("[data-copy-from]")) source.hidden = !navigator.clipboard;
for (const dialog of document.querySelectorAll("dialog[open]")) {
  dialog.close();
  dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
}
