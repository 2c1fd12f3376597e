"""Hints of what changed, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

A stream holds a thread of the server, so there are only so many at a time, each ends after a minute, and all end when
the process stops; the client comes back with `Last-Event-ID` and misses nothing.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from flask import Response, current_app, request

from scheduler_app.api.answers import encode
from scheduler_app.api.contract import Answer, room, serves
from scheduler_app.api.holding import Holding
from scheduler_app.api.refusals import NoStreamLeft
from scheduler_app.clock import Clock
from scheduler_app.errors import StoreUnavailable
from scheduler_app.schemas.event import HintOut
from scheduler_app.services.hints import Hint, Hints, Place

EXTENSION = "scheduler_app.streams"
LASTS = 60.0
HEARTBEAT = 10.0
PAUSE = 0.25
RETRY = "retry: 1000\n"
REFUSAL = "look every 10 seconds instead"
# RFC 7240, section 4.4
LENIENT = "handling=lenient"

calls = room("events", "That something changed, as soon as it does.")


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The streams of a process, as many as it has places for."""

    hints: Hints
    clock: Clock
    holding: Holding

    def open(self, last_id: str | None) -> Response:
        """Answer with a stream; NoStreamLeft when there are too many."""
        if not request.environ.get("wsgi.multithread", True):
            raise NoStreamLeft(f"a server without threads answers nobody else meanwhile; {REFUSAL}")
        place = self.holding.take(REFUSAL)
        try:
            begun = self.hints.begin(last_id)
        except BaseException:
            self.holding.give_back(place)
            raise
        stream = Response(self._told(*begun), content_type="text/event-stream; charset=utf-8")
        stream.headers["X-Accel-Buffering"] = "no"  # nginx hands on each event as it comes
        stream.call_on_close(lambda: self.holding.give_back(place))
        return stream

    def _told(self, place: Place, missed: Sequence[Hint]) -> Iterator[str]:
        """Yield events until a minute is over, the process ends or the store is away; comments keep it open."""
        begun = told = self.clock.monotonic()
        yield RETRY + _events(place, missed)
        with suppress(StoreUnavailable):
            while (now := self.clock.monotonic()) < begun + LASTS and not self.holding.ending():
                place, found = self.hints.after(place)
                if found or now >= told + HEARTBEAT:
                    told = now
                    yield _events(place, found)
                self.clock.wait(threading.Event(), PAUSE)


def _events(place: Place, hints: Sequence[Hint]) -> str:
    """Return hints as events; the last one carries the id, so that who saw only some of them is told again."""
    lines = [f"data: {encode(asdict(hint)).decode()}" for hint in hints]
    return "\n\n".join([*lines[:-1], f"id: {place}\n{lines[-1]}" if lines else f"id: {place}\n:"]) + "\n\n"


@serves(
    calls,
    "GET /events",
    {
        200: Answer(
            model=HintOut, means="The stream; the `data` of each event is one hint.", media="text/event-stream"
        ),
        204: Answer(model=None, means="There is no room, and `Prefer: handling=lenient` was sent."),
    },
)
def follow_events() -> Response:
    """Follow what changes.

    Server-sent events, hints only: look again when one comes. A stream ends after 60 seconds; come back with the
    header `Last-Event-ID`, as browsers do by themselves, and what changed meanwhile is told first. At most 24 streams,
    and calls that wait with `Prefer: wait`, at a time; beyond that 503, or 204 with `Prefer: handling=lenient`; then
    look every 10 seconds.
    """
    streams: Streams = current_app.extensions[EXTENSION]
    try:
        return streams.open(request.headers.get("Last-Event-ID"))
    except NoStreamLeft:
        if LENIENT not in request.headers.get("Prefer", ""):
            raise
        # a browser writes every answer of 4xx and 5xx into its console as an error
        return Response(status=204, headers={"Preference-Applied": LENIENT})
