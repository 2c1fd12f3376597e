"""`Prefer: wait=N` (RFC 7240, section 4.3): a call is answered with how its run ended, if that is within N seconds.

What cannot be done of a preference is left undone, as the RFC asks; `Preference-Applied` says what was done. Whoever
waits holds a thread of the server, so there are only so many places, and one is taken before anything is done: who is
refused may send the call again.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from flask import Response, current_app, g, request

from scheduler_app.api.answers import encode, runs_root
from scheduler_app.api.contract import context
from scheduler_app.api.holding import EXTENSION, Holding
from scheduler_app.errors import NotFound, StoreUnavailable
from scheduler_app.schemas.run import render_run
from scheduler_app.services.awaiting import await_end

# less than the minute after which proxies give up; and a server without threads answers nobody else meanwhile
LONGEST = 50
LONGEST_ALONE = 5
REFUSAL = "nothing was done; leave out `Prefer: wait`, and look at the run again later"
_WAIT = re.compile(r'\s*wait\s*=\s*"?(?P<seconds>[0-9]{1,18})"?\s*(?:;.*)?', re.IGNORECASE)


def answer_at_end(carry_out: Callable[[], Response]) -> Response:
    """Answer a call that leads to a run; with its end, if the caller would rather wait and it ends in time."""
    seconds = _preferred()
    if not seconds:
        return carry_out()
    with _holding().place(REFUSAL):
        response = carry_out()
        response.headers["Preference-Applied"] = f"wait={seconds}"
        with suppress(NotFound, StoreUnavailable):  # it was accepted, whatever becomes of the waiting
            _tell_end(response, seconds)
    return response


def wait_for(run_id: int) -> int:
    """Wait for the end of a run, as long as the caller would rather; return how many seconds that might take."""
    seconds = _preferred()
    if seconds:
        with _holding().place(REFUSAL):
            await_end(run_id, seconds=seconds, given_up=_holding().ending, ctx=context())
    return seconds


def _tell_end(response: Response, seconds: int) -> None:
    said = response.get_json()
    # of a one-off, the run is the one of the job that was added
    run_id, rest = (said["last_run"]["id"], {}) if "last_run" in said else (said["id"], said)
    run = await_end(run_id, seconds=seconds, given_up=_holding().ending, ctx=context())
    if run is None:
        return
    response.status_code = 200
    response.set_data(encode({**rest, **render_run(run)}))
    response.headers["Content-Location"] = f"{runs_root()}/{run.id}"
    response.headers.pop("ETag", None)


def _preferred() -> int:
    """Return how many seconds the caller would rather wait, as far as that can be done; 0: not at all."""
    header = request.environ.get("HTTP_PREFER")
    if header is None or "dry_run" in g:
        return 0
    wishes = (match for match in map(_WAIT.fullmatch, header.split(",")) if match)
    wish = next(wishes, None)
    longest = LONGEST if request.environ.get("wsgi.multithread", True) else LONGEST_ALONE
    return 0 if wish is None else min(int(wish["seconds"]), longest)


def _holding() -> Holding:
    holding: Holding = current_app.extensions[EXTENSION]
    return holding
