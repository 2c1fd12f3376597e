"""The same as a form does, as a program would: with curl, in Python, as JSON."""

import json
from collections.abc import Mapping
from pprint import pformat
from typing import Any

WIDE = 76


def snippets(body: Mapping[str, Any], *, url: str, job_id: str | None = None) -> dict[str, str]:
    """Return what adds a job like that, or, with an id, what changes it."""
    told = json.dumps(body, indent=1, ensure_ascii=False)
    quoted = told.replace("'", "'\\''")
    verb, path = ("PATCH", f"{url}/{job_id}") if job_id else ("POST", url)
    given = pformat(dict(body), width=WIDE, sort_dicts=False).replace("\n", "\n    ")
    return {
        "curl": f"curl -X {verb} {path} \\\n  -H \"Authorization: Bearer $KEY\" \\\n  --json '{quoted}'",
        "Python": f'httpx.{verb.lower()}(\n    "{path}",\n    headers={{"Authorization": f"Bearer {{KEY}}"}},\n'
        f"    json={given},\n)",
        "JSON": told,
    }
