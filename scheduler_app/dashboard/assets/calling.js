// Calls of the public API, with the session's cookie and its token; a refusal is thrown as the problem it is.

export const root = document.body.dataset.root.replace(/\/$/, "");

export class Problem extends Error {
  constructor(status, told) {
    super(told.detail);
    this.status = status;
    this.faults = told.errors?.length ? told.errors : [{ pointer: "", detail: told.detail }];
  }
}

export async function call(method, path, body, headers = {}) {
  const sent = { method, headers: { Accept: "application/json", "X-CSRF-Token": document.body.dataset.csrf, ...headers } };
  if (body !== undefined) {
    sent.headers["Content-Type"] = "application/json";
    sent.body = JSON.stringify(body);
  }
  const answer = await fetch(`${root}/api/v1${path}`, sent);
  const told = answer.status === 204 ? null : await answer.json().catch(() => ({ detail: answer.statusText }));
  if (!answer.ok) throw new Problem(answer.status, told ?? { detail: answer.statusText });
  return told;
}

export function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export async function page(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}
