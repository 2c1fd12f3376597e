// What every page does: tell the server the zone of the browser once, and apply the theme and the zone when chosen.

import "./dialogs.js";
import "./keyboard.js";
import "./live.js";
import "./search.js";

const ONE_YEAR = 365 * 86400;
const root = document.body.dataset.root.replace(/(.)\/$/, "$1");

function remember(name, value) {
  document.cookie = `${name}=${value}; path=${root}; max-age=${ONE_YEAR}; samesite=strict`;
}

function followZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes("scheduler_zone=")) {
    remember("scheduler_zone", zone);
    if (zone !== document.body.dataset.zone) location.reload();
  }
}

function offerAllZones() {
  const [all, few] = document.querySelectorAll("select[name=scheduler_zone]");
  few?.closest("details").addEventListener("toggle", () => few.replaceChildren(...all.cloneNode(true).options), { once: true });
}

for (const form of document.querySelectorAll("form.preferences")) {
  form.addEventListener("change", () => form.requestSubmit());
}
followZone();
offerAllZones();
