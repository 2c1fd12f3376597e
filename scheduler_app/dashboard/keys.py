"""Keys: who may call, and what may they do?"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from scheduler_app.dashboard.frame import context, render
from scheduler_app.domain.key import RANKS
from scheduler_app.errors import Conflict, Fault, InvalidInput
from scheduler_app.schemas.faults import fitting
from scheduler_app.schemas.key import KeyIn
from scheduler_app.services import keys as service
from scheduler_app.services.keys import CreatedKey

ON_A_PAGE = 50
DAY = 86_400
LASTING = (("", "until revoked"), ("1", "1 day"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"))
SEE_OTHER = 303


@dataclass(frozen=True, kw_only=True)
class KeysPage:
    """What the page shows beside its frame. `created` is shown this once."""

    list: service.Page
    after: int | None
    created: CreatedKey | None
    given: Mapping[str, str]
    faults: tuple[Fault, ...]
    asks: str

    def fault(self, name: str) -> str:
        """Return what is wrong with a field, empty when nothing is."""
        return next((fault.detail for fault in self.faults if fault.pointer == f"/{name}"), "")


def register(pages: Blueprint) -> None:
    """Serve the page, and what can be done on it."""
    pages.add_url_rule("/keys", "list_keys", list_keys)
    pages.add_url_rule("/keys", "create_key", create_key, methods=["POST"])
    pages.add_url_rule("/keys/<int(max=2147483647):key_id>/revoke", "revoke_key", revoke_key, methods=["POST"])


def list_keys() -> str:
    """Show the keys."""
    return _show()


def create_key() -> Response:
    """Make a key, and show it: its page is the only place where it ever stands."""
    form = request.form
    wanted = {"name": form.get("name", "").strip(), "role": form.get("role", "")}
    try:
        spec = fitting(KeyIn, wanted | _lasting(form.get("days", ""))).to_spec()
        created = service.create_key(spec, ctx=context())
    except (InvalidInput, Conflict) as error:
        faults = error.faults or (Fault(pointer="/name", detail=error.detail),)
        return make_response(_show(given=form, faults=faults), 422)
    return make_response(_show(created=created), 201)


def revoke_key(key_id: int) -> Response:
    """Make a key good no more."""
    service.revoke_key(key_id, ctx=context())
    return redirect(url_for("pages.list_keys"), SEE_OTHER)


def _lasting(days: str) -> dict[str, float]:
    known = {value for value, _ in LASTING}
    if days not in known:
        raise InvalidInput.of(Fault(pointer="/days", detail="must be one of the choices"))
    return {"expires_in": float(days) * DAY} if days else {}


def _show(
    *, created: CreatedKey | None = None, given: Mapping[str, str] | None = None, faults: tuple[Fault, ...] = ()
) -> str:
    text = request.args.get("after", "")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    found = service.list_keys((), after=after, limit=ON_A_PAGE, ctx=context())
    page = KeysPage(
        list=found, after=after, created=created, given=given or {}, faults=faults, asks=request.args.get("ask", "")
    )
    return render("keys.html", active="pages.list_keys", page=page, roles=RANKS, lasting=LASTING)
