// Times and durations as the server tells them: two units, never "a few"; by the server's clock, in the page's zone.

const MINUTE = 60, HOUR = 3600, DAY = 86400;
let ahead = 0;

export const zone = document.body.dataset.zone || "UTC";

export function setClock(instant) {
  const at = Date.parse(instant);
  if (at) ahead = at - Date.now();
}

export function serverNow() {
  return Date.now() + ahead;
}

export function duration(seconds) {
  if (seconds < 10) return seconds > 0 && seconds < 0.1 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return two(whole, MINUTE, "m", 1, "s");
  return whole < DAY ? two(whole, HOUR, "h", MINUTE, "m") : two(whole, DAY, "d", HOUR, "h");
}

function two(whole, large, name, small, smallName) {
  const first = Math.floor(whole / large), rest = Math.floor((whole % large) / small);
  return rest ? `${first} ${name} ${String(rest).padStart(2, "0")} ${smallName}` : `${first} ${name}`;
}

export function distance(at) {
  const away = (at - serverNow()) / 1000, seconds = Math.floor(Math.abs(away));
  const told = seconds < MINUTE ? `${seconds} s` : duration(seconds);
  return away > 0 ? `in ${told}` : `${told} ago`;
}

export function timeOfDay(at) {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle: "medium" }).format(at);
}

export function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

setClock(document.body.dataset.now);
