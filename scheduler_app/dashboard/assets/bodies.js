// A form as the JSON body that it stands for, by the rule that `forms.py` keeps too: the name of a field is its scope,
// the JSON pointer of its value and its kind. What is empty is left out; what cannot be read is sent as text.

const NAME = /^([a-z,]*)((?:\/[^/]+)+):([a-z]+)$/;
const WHOLE = /^-?[0-9]{1,18}$/;
const NUMBER = /^-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?$/;
const KINDS = {
  text: (given) => given || undefined,
  integer: (given) => (WHOLE.test(given.trim()) ? Number(given) : given.trim() || undefined),
  number: (given) => (NUMBER.test(given.trim()) ? Number(given) : given.trim() || undefined),
  boolean: (given) => ({ true: true, false: false })[given],
  json: (given) => (given.trim() ? JSON.parse(given) : undefined),
  lines: (given) => some(given.split("\n")),
  words: (given) => some(given.split(",")),
};

function some(words) {
  const found = words.map((word) => word.trim()).filter(Boolean);
  return found.length ? found : undefined;
}

export function read(form) {
  const said = new FormData(form);
  const when = said.get("when") ?? "";
  const body = {};
  const faults = [];
  for (const name of new Set(said.keys())) {
    const [, scope, pointer, kind] = NAME.exec(name) ?? [];
    if (!pointer || !(kind in KINDS) || (scope && !scope.split(",").includes(when))) continue;
    try {
      const value = KINDS[kind](said.getAll(name).at(-1));
      if (value !== undefined && value !== null) put(body, pointer, value);
    } catch (error) {
      faults.push({ pointer, detail: `must be JSON: ${error.message}` });
    }
  }
  return { body, faults };
}

function put(body, pointer, value) {
  const path = pointer.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = path.pop();
  for (const part of path) body = body[part] ??= {};
  body[last] = value;
}

// The merge patch (RFC 7396) from one body to another; arguments are merged, a trigger is given whole.
export function difference(before, after) {
  const patch = {};
  for (const name of Object.keys(before)) if (!(name in after)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    if (!(name in before)) patch[name] = value;
    else if (name === "kwargs") {
      const inner = difference(before[name], value);
      if (Object.keys(inner).length) patch[name] = inner;
    } else if (JSON.stringify(before[name]) !== JSON.stringify(value)) patch[name] = value;
  }
  return patch;
}

export function python(value, indent = "") {
  const deeper = `${indent}    `;
  if (value === null) return "None";
  if (value === true || value === false) return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map((item) => python(item, deeper)).join(", ")}]`;
  if (typeof value === "object") {
    const items = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item, deeper)}`);
    const line = `{${items.join(", ")}}`;
    return line.length + indent.length < 76 ? line : `{\n${deeper}${items.join(`,\n${deeper}`)},\n${indent}}`;
  }
  return JSON.stringify(value);
}
