"""Rendering: documents to JSON, with the headers that tell versions, places and next pages."""

import json
from functools import lru_cache
from typing import Any

from flask import Response, request, url_for
from pydantic_core import PydanticSerializationError, to_json
from werkzeug.datastructures import Headers
from werkzeug.urls import iri_to_uri

from scheduler_app.clock import rfc3339
from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Run
from scheduler_app.schemas.job import render_job
from scheduler_app.schemas.run import render_run

JSON = "application/json"
API = "/api/v1"


class Sent(Response):
    """An answer that is sent with the headers that it has: its length is among them, its places are addresses."""

    def get_wsgi_headers(self, environ: Any) -> Headers:
        """Return its headers."""
        return self.headers


def answer(content: dict[str, Any], status: int = 200, **headers: str) -> Response:
    """Build an answer; header names are given with underscores."""
    response = Sent(encode(content), status, content_type=JSON)
    for name, value in headers.items():
        response.headers.add(name.replace("_", "-"), value)
    return response


def encode(content: Any) -> bytes:
    """Return JSON. What Rust will not write, such as a lone surrogate in a task's result, is escaped instead."""
    try:
        return to_json(content, inf_nan_mode="null")
    except (PydanticSerializationError, UnicodeError, ValueError):
        return json.dumps(content, default=rfc3339).encode()


def runs_root() -> str:
    """Return where runs are, as the caller sees it; put together by hand, since every answer needs it."""
    return f"{request.script_root}{API}/runs"


def jobs_root() -> str:
    """Return where jobs are, as the caller sees it."""
    return f"{request.script_root}{API}/jobs"


@lru_cache(maxsize=256)
def _address(path: str) -> str:
    """Return a path as a header may have it."""
    return iri_to_uri(path)


def job_answer(job: Job, status: int = 200, **headers: str) -> Response:
    """Render a job with its ETag."""
    return answer(render_job(job, runs_root()), status, ETag=f'"{job.version}"', **headers)


def added_answer(job: Job, status: int | None = None) -> Response:
    """Render a job that was added; a one-off is only accepted, since it runs from now on."""
    added = status or (202 if job.trigger is None else 201)
    return job_answer(job, added, Location=f"{_address(jobs_root())}/{job.id}")


def accepted_answer(run: Run) -> Response:
    """Render a run that something will become of."""
    return answer(render_run(run), 202, Location=f"{_address(runs_root())}/{run.id}")


def page_answer(items: list[dict[str, Any]], next_cursor: str | None) -> Response:
    """Render a page of a list; `Link` leads to the next one."""
    content = {"items": items, "next_cursor": next_cursor}
    if next_cursor is None or request.endpoint is None:
        return answer(content)
    parameters = {**(request.view_args or {}), **request.args, "cursor": next_cursor}
    return answer(content, Link=f'<{url_for(request.endpoint, **parameters)}>; rel="next"')
