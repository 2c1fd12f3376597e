// A line of a log as the server draws it (dashboard/loglines.py): colours of ANSI become ours, all else is shown.

const LEVELS = { DEBUG: "debug", INFO: "info", WARNING: "warn", ERROR: "error", CRITICAL: "error" };
const COLOURS = ["quiet", "failed", "succeeded", "missed", "now", "paused", "now", "quiet"];
const RECORD = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([A-Z][A-Z0-9_]{1,15}|Level \d+) ?(.*)$/s;
const SEQUENCE = /\x1b\[([0-9;]{0,32})m|\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]/g;

export function lineOf(text, level) {
  const record = RECORD.exec(text);
  if (!record) return { at: null, level, spans: spansOf(text) };
  return { at: Date.parse(record[1]) || null, level: LEVELS[record[2]] ?? "info", spans: spansOf(record[3]) };
}

function spansOf(text) {
  const spans = [];
  let colour = "", bold = "", begin = 0;
  const add = (part) => part && spans.push({ look: `${colour} ${bold}`.trim(), text: shown(part) });
  for (const match of text.matchAll(SEQUENCE)) {
    add(text.slice(begin, match.index));
    begin = match.index + match[0].length;
    if (match[1] === undefined) continue;
    for (const code of match[1].split(";").map(Number)) {
      if (code === 38 || code === 48) break;
      if (code === 0) colour = bold = "";
      else if (code === 1) bold = "bold";
      else if (code === 22) bold = "";
      else if (code === 39) colour = "";
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour = COLOURS[code % 10];
    }
  }
  add(text.slice(begin));
  return spans;
}

function shown(text) {
  return text.replace(CONTROL, (character) => {
    const point = character.codePointAt(0);
    return point < 256 ? `\\x${point.toString(16).padStart(2, "0")}` : `\\u${point.toString(16).padStart(4, "0")}`;
  });
}
