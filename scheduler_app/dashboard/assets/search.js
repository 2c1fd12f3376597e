// Search: jobs by id, name, task or tag, tasks, and runs by their number, below the field; arrows and Enter.
// Without scripts the same field leads to a page of what is found.

const AFTER = 150, MOST = 6;
const root = document.body.dataset.root.replace(/\/?$/, "/");
const form = document.querySelector("form.search");
const field = form?.querySelector("input");
let timer = 0, asked = 0;

async function get(path) {
  const answer = await fetch(`${root}api/v1/${path}`, { cache: "no-store" });
  return answer.ok ? answer.json() : { items: [] };
}

async function look(words) {
  const q = encodeURIComponent(words), isNumber = /^\d{1,15}$/.test(words);
  const [jobs, tasks, run] = await Promise.all([
    get(`jobs?search=${q}&limit=${MOST}`),
    get("tasks"),
    isNumber ? get(`runs/${words}`) : null,
  ]);
  const named = tasks.items.filter(({ name }) => name.toLowerCase().includes(words.toLowerCase())).slice(0, MOST);
  return [
    ...(run?.id ? [{ kind: "run", name: `run ${run.id}`, more: `${run.job_id} · ${run.state}`, href: `${root}runs/${run.id}` }] : []),
    ...jobs.items.map((job) => ({ kind: "job", name: job.id, more: job.name === job.id ? job.task : job.name, href: jobAt(job.id) })),
    ...named.map(({ name }) => ({ kind: "task", name, more: "its runs", href: `${root}runs?task=${encodeURIComponent(name)}` })),
  ];
}

function jobAt(id) {
  return `${root}jobs/${encodeURIComponent(id)}`;
}

function setUp() {
  const list = form.appendChild(document.createElement("ul"));
  Object.assign(list, { id: "found", hidden: true, className: "results" });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Found");
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-controls", "found");
  field.setAttribute("aria-expanded", "false");
  field.setAttribute("aria-autocomplete", "list");

  const options = () => [...list.children];
  const chosen = () => list.querySelector('[aria-selected="true"]');

  function choose(option) {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    field.setAttribute("aria-activedescendant", option?.id ?? "");
    option?.scrollIntoView({ block: "nearest" });
  }

  function open(is) {
    list.hidden = !is;
    field.setAttribute("aria-expanded", String(is));
    if (!is) choose(null);
  }

  function draw(found) {
    list.replaceChildren(...found.map(({ kind, name, more, href }, at) => {
      const option = document.createElement("li");
      option.id = `found-${at}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.href = href;
      for (const [text, look] of [[kind, "kind"], [name, "name cut"], [more, "away cut"]]) {
        const span = option.appendChild(document.createElement("span"));
        span.textContent = text;
        span.className = look;
      }
      return option;
    }));
    if (!found.length) {
      const none = list.appendChild(document.createElement("li"));
      none.textContent = "Nothing fits";
      none.className = "note";
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
    }
    open(true);
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    const words = field.value.trim(), mine = ++asked;
    if (!words) return open(false);
    timer = setTimeout(async () => {
      const found = await look(words).catch(() => []);
      if (mine === asked) draw(found);
    }, AFTER);
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !list.hidden) {
      event.preventDefault();
      const all = options(), at = all.indexOf(chosen());
      choose(all[(at + step + all.length + (at < 0 && step < 0 ? 1 : 0)) % all.length]);
    } else if (event.key === "Enter" && chosen()?.dataset.href) {
      event.preventDefault();
      location.assign(chosen().dataset.href);
    } else if (event.key === "Escape") {
      if (list.hidden) field.blur();
      field.value = "";
      open(false);
    }
  });
  list.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[data-href]");
    if (option) location.assign(option.dataset.href);
  });
  field.addEventListener("blur", () => open(false));
  field.dataset.key = "/";
}

if (field) setUp();
