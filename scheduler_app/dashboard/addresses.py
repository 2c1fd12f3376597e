"""What an address of a page says: read leniently, since people edit addresses, and written the same way."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from flask import request, url_for

from scheduler_app.dashboard.paths import own
from scheduler_app.services.listing import Spot
from scheduler_app.store.jobs import JobPlace

_SPOT = re.compile(r"(?:(?P<tag>.{0,64})~)?(?P<value>-?[0-9]{1,19})~(?P<id>[A-Za-z0-9._:-]{1,191})", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def text(name: str, most: int) -> str | None:
    """Return a word of the address, without what no name has."""
    return clean(request.args.get(name, ""))[:most] or None


def clean(given: str) -> str:
    """Return what somebody typed, without what no name has."""
    return _CONTROL.sub("", given).strip()


def read_spot(given: str | None) -> Spot | None:
    """Return the spot that an address names; None when it names none."""
    match = _SPOT.fullmatch(given or "")
    if match is None or abs(int(match["value"])) >= 2**63:
        return None
    return Spot(place=JobPlace(value=int(match["value"]), id=match["id"]), tag=match["tag"])


def write_spot(spot: Spot) -> str:
    """Return a spot as an address names it."""
    told = f"{spot.place.value}~{spot.place.id}"
    return told if spot.tag is None else f"{spot.tag}~{told}"


def address(endpoint: str, given: Mapping[str, str | None], **changes: str | None) -> str:
    """Return the address of a page with what is given and not empty, some of it changed."""
    said = {name: value for name, value in {**given, **changes}.items() if value}
    return url_for(endpoint) + (f"?{urlencode(said)}" if said else "")


def with_query(place: str, **said: str) -> str:
    """Return an address of ours with more said in it."""
    return f"{place}{'&' if '?' in place else '?'}{urlencode(said)}"


def back(default: str) -> str:
    """Return the page of ours that a form names as the one to go back to, else a default."""
    given = request.form.get("back")
    return own(given.removeprefix(request.script_root)) if given else default
