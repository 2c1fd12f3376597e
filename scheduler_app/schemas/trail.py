"""Who changed what, on the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from scheduler_app.domain.change import What
from scheduler_app.schemas.fields import AtMostWords, Commas, Cursor, Limit, QueryMoment, WireIn, WireOut, words
from scheduler_app.store.trail import Entry, TrailFilter

WHO = r"^[^,\x00-\x1f\x7f]{1,191}$"
SUBJECT = r"^(job:[A-Za-z0-9][A-Za-z0-9._:-]{0,190}|run:[0-9]{1,19}|key:[0-9]{1,10})$"
Person = Annotated[str, Field(pattern=WHO)]
Subject = Annotated[str, Field(pattern=SUBJECT)]


class AuditQuery(WireIn):
    """Which changes a list shows."""

    who: Annotated[tuple[Person, ...], Commas, AtMostWords, words(WHO)] = Field(
        default_factory=tuple,
        description="Names of keys, separated by commas, or `code`, `engine`, `command line`, `login`, `anyone`.",
    )
    what: Annotated[tuple[What, ...], Commas, AtMostWords, words("|".join(What).replace(".", r"\."))] = Field(
        default_factory=tuple, description="Kinds of changes, separated by commas."
    )
    subject: Annotated[tuple[Subject, ...], Commas, AtMostWords, words(SUBJECT)] = Field(
        default_factory=tuple, description="What was changed, like `job:nightly`, `run:12` or `key:3`, by commas."
    )
    since: QueryMoment = Field(None, alias="from", description="Changed at this time or later.")
    until: QueryMoment = Field(None, alias="to", description="Changed before this time.")
    cursor: Cursor = Field(None, description="`next_cursor` of the page before; it belongs to its filters.")
    limit: Limit = Field(50, description="Most items on a page.")

    def to_filter(self) -> TrailFilter:
        """Return the filter as the store wants it."""
        return TrailFilter(who=self.who, what=self.what, subjects=self.subject, since=self.since, until=self.until)


class ChangeOut(WireOut):
    """A change: `before` and `after` hold what it has changed; of a long value only its beginning."""

    id: int
    at: datetime
    who: str = Field(
        description="The name of a key, or `code`, `engine` (a pause that ended by itself), `command line`, `login`, "
        "or `anyone` (a route of Flask-APScheduler's that asks nobody who they are)."
    )
    key_id: int | None = Field(description="The id of the key, if it was one.")
    what: What
    subject: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None


class AuditList(WireOut):
    """A page of changes, the newest first."""

    items: list[ChangeOut]
    next_cursor: str | None


def render_change(entry: Entry) -> dict[str, Any]:
    """Return a change as `ChangeOut` says."""
    return {name: getattr(entry, name) for name in ChangeOut.model_fields if name != "key_id"} | {
        "key_id": entry.api_key
    }
