"""Callers that are signed in to the app around the API: a function of the app's gives their role.

A browser sends the cookie of a login with whatever any page makes it send, so what writes must not come from another
site: Fetch Metadata says so (`Sec-Fetch-Site`), else the `Origin` that goes with every such request (the Fetch
standard). What has neither is no browser of today; then at least a form, which needs no script, is refused.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import request

from scheduler_app.api.refusals import CrossSite, WrongMediaType
from scheduler_app.domain.change import LOGIN
from scheduler_app.domain.spec import shown
from scheduler_app.errors import ConfigurationError, Unauthorized
from scheduler_app.services.roles import Role
from scheduler_app.store.keys import ApiKey

Login = Callable[[], object]
SAFE = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("same-origin", "none")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
# whoever is signed in shares the idempotency keys of this one, which no API key has
NOBODYS_KEY = 0


def caller_of(login: Login | None, *, takes_forms: bool = False) -> ApiKey:
    """Return who is signed in, by role; Unauthorized when nobody is, or could be."""
    if login is None:
        raise Unauthorized("this call needs the header Authorization: Bearer KEY")
    refuse_other_sites(takes_forms=takes_forms)
    role = role_of(login())
    if role is None:
        raise Unauthorized("sign in, or send the header Authorization: Bearer KEY")
    return ApiKey(id=NOBODYS_KEY, name=LOGIN, role=role)


def role_of(given: object) -> Role | None:
    """Return the role that an app's function gave; what is none fails, and opens nothing."""
    if given is None:
        return None
    if not isinstance(given, str) or given not in tuple(Role):
        allowed = ", ".join(repr(str(role)) for role in Role)
        raise ConfigurationError(f"SCHEDULER_ROLE gave {shown(given)}; a role is one of {allowed}, or None")
    return Role(given)


def refuse_other_sites(*, takes_forms: bool = False) -> None:
    """Refuse what changes something and was sent by a page of another site, or as its form could be."""
    if request.method in SAFE:
        return
    if comes_from_another_site():
        raise CrossSite("this call comes from a page of another site")
    if not takes_forms and request.mimetype in FORMS:
        raise WrongMediaType(f"a call is sent as application/json, got {shown(request.content_type)}")


def comes_from_another_site() -> bool:
    """Whether a browser says so."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in OWN_SITES
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host
