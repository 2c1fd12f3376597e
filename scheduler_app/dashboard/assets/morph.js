// Bring the marked regions of a page up to date in place: text and attributes change, nothing moves under the pointer or
// the focus. A region is marked with data-live="name"; rows that are told apart by data-id inside a table marked with
// data-rows are never added, moved or removed: those that are new are only counted.

const KEPT = new Set(["open", "value", "checked", "data-touched"]);

export function refresh(fresh) {
  let newer = 0;
  for (const region of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(region.dataset.live)}"]`);
    if (!other || region.closest("[data-touched]")) continue;
    if (region.closest("[data-rows]")) newer += rows(region, other);
    else morph(region, other, region.matches(":hover") || region.contains(document.activeElement));
  }
  return newer + firsts(fresh);
}

// the rows of a list that was empty
function firsts(fresh) {
  const there = fresh.querySelector('[data-rows] [data-live="rows"]');
  return there && !document.querySelector('[data-live="rows"]') ? there.children.length : 0;
}

function rows(region, other) {
  const known = new Map([...region.children].map((row) => [row.dataset.id, row]));
  let newer = 0;
  for (const row of other.children) {
    const old = known.get(row.dataset.id);
    if (old) morph(old, row, true);
    else newer += 1;
  }
  return newer;
}

function morph(old, fresh, isHeld) {
  attributes(old, fresh);
  const before = [...old.childNodes], after = [...fresh.childNodes];
  if (before.length === after.length && before.every((node, at) => isAlike(node, after[at]))) {
    before.forEach((node, at) => update(node, after[at], isHeld));
  } else if (!isHeld) {
    replace(old, before, after);
  }
}

function update(node, fresh, isHeld) {
  if (node.nodeType === Node.ELEMENT_NODE) morph(node, fresh, isHeld);
  else if (node.data !== fresh.data) node.data = fresh.data;
}

// what is there already is kept, by its id or its place, so that scripts, focus and selection stay with it
function replace(old, before, after) {
  const byKey = new Map(before.filter((node) => node.dataset?.id).map((node) => [node.dataset.id, node]));
  const wanted = after.map((node, at) => {
    const same = node.dataset?.id ? byKey.get(node.dataset.id) : before[at];
    if (!same || !isAlike(same, node) || (same.dataset?.id ?? "") !== (node.dataset?.id ?? "")) return document.importNode(node, true);
    update(same, node, false);
    return same;
  });
  for (const node of before) if (!wanted.includes(node)) node.remove();
  wanted.forEach((node, at) => {
    if (old.childNodes[at] !== node) old.insertBefore(node, old.childNodes[at] ?? null);
  });
}

function isAlike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function attributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (!KEPT.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!KEPT.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}
