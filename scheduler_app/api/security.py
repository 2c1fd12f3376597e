"""Who may ask, and under which name: the `Host` header, the API key or session, the headers of answers."""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Flask, Response, after_this_request, g, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from scheduler_app.api import browsers
from scheduler_app.api.logins import Login, caller_of
from scheduler_app.api.refusals import BadHost
from scheduler_app.api.roles import NEEDS, require
from scheduler_app.domain.spec import shown
from scheduler_app.errors import StoreUnavailable, Unauthorized
from scheduler_app.services.attempts import Memory
from scheduler_app.services.context import Actor, Context
from scheduler_app.services.keys import USES_APART, authenticate, note_use
from scheduler_app.services.roles import Role
from scheduler_app.services.sessions import note_seen
from scheduler_app.signals import KeyRevoked, never
from scheduler_app.store.keys import ApiKey

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
KEY_SECONDS = 5.0
KEYS_KEPT = 256
LONGEST_KEY = 256
OPEN_ENDPOINTS = frozenset({"health.healthz", "health.readyz", "docs.page", "docs.file", "docs.document"})
# open, and telling more to who has a key; a wrong one is refused and counted here too, or keys could be tried out
TELLING_MORE = frozenset({"docs.document"})
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
STRICT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "Content-Security-Policy": STRICT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Stands before every call."""

    def __init__(
        self,
        ctx: Context,
        hosts: Collection[str] | None,
        login: Login | None = None,
        login_url: str | None = None,
    ) -> None:
        self._ctx = ctx
        self._login = login
        self._login_url = login_url
        self._hosts = None if hosts is None else LOOPBACK | {host.strip("[]").lower() for host in hosts}
        self._keys: Memory[ApiKey] = Memory(seconds=KEY_SECONDS, most=KEYS_KEPT)
        self._used: Memory[bool] = Memory(seconds=USES_APART.total_seconds(), most=KEYS_KEPT)
        self._needs: Mapping[str, str] = NEEDS
        self._open: Collection[str] = OPEN_ENDPOINTS
        ctx.bus.subscribe(self._hear, successes=never)

    def admit_to(self, needs: Mapping[str, str], open_to_all: Collection[str]) -> None:
        """Stand before further endpoints too, each with the role that it needs."""
        self._needs = {**self._needs, **needs}
        self._open = frozenset({*self._open, *open_to_all})

    def register(self, app: Flask) -> None:
        """Stand before and after every request of `app`."""
        app.before_request(self.admit)
        app.after_request(seal)

    def admit(self) -> AnyResponse | None:
        """Let a request pass, or refuse it; who wants a page and is not signed in is sent where that is done.

        A path that does not exist outside the API is left to become a 404.
        """
        g.request_id = request_id()
        self._check_host()
        endpoint = request.endpoint
        if endpoint in self._open or (endpoint is None and not request.path.startswith("/api/")):
            self._greet()
            return None
        try:
            self._enter(self._caller())
        except Unauthorized:
            if not browsers.is_page() or (self._login is not None and self._login_url is None):
                raise
            return browsers.send_to_sign_in() if self._login_url is None else browsers.send_to_login(self._login_url)
        if endpoint is not None:
            require(Role(self._needs.get(endpoint, Role.ADMIN)))
        return None

    def _enter(self, key: ApiKey) -> None:
        """Remember who calls."""
        g.key = key
        g.ctx = self._ctx.by(Actor(name=key.name, api_key=key.id or None, request_id=g.request_id))
        if key.id and self._is_due(str(key.id)):
            _when_sent(partial(note_use, key.id, ctx=self._ctx))

    def _greet(self) -> None:
        """Look who asks for what is open to all, where that makes a difference."""
        if request.endpoint in TELLING_MORE:
            key = self._of_browser() if _bearer() is None else self._caller()
            if key is not None:
                self._enter(key)
        elif request.endpoint == browsers.SIGN_IN:
            if self._login is not None:
                raise NotFound  # whoever may is signed in to the app around
            browsers.prove_visitor()

    def _check_host(self) -> None:
        if self._hosts is None:
            return
        header = request.environ.get("HTTP_HOST", "")
        match = _HOST.fullmatch(header.lower())
        if match is None or match[1].strip("[]").rstrip(".") not in self._hosts:
            raise BadHost(f"this service is not {shown(header)}; add the name to its allowed hosts if it should be")

    def _caller(self) -> ApiKey:
        """Return who calls: whose key it is, else, where the app around the API has a login, who is signed in there.

        Such an app may have bearer tokens of its own, which are no wrong keys.
        """
        secret = _bearer()
        key = self._of_browser() if secret is None and self._login is None else None
        key = self._key_of(secret) if secret is not None else key
        if key is not None:
            return key
        try:
            return self._signed_in_around()
        except Unauthorized:
            if secret is None:
                raise
            now = self._ctx.clock.monotonic()
            raise self._ctx.attempts.failed(request.remote_addr or "", secret, now) from None

    def _signed_in_around(self) -> ApiKey:
        key = caller_of(self._login, takes_forms=browsers.is_page())
        if browsers.is_page():
            browsers.prove_visitor()
        return key

    def _key_of(self, secret: str) -> ApiKey | None:
        """Return whose key it is. A store that cannot be read refuses nobody for good: that is 503."""
        digest, now = _digest(secret), self._ctx.clock.monotonic()
        known = self._keys.get(digest, now)
        if known is not None and (known.expires_at is None or self._ctx.clock.now() < known.expires_at):
            return known
        key = authenticate(secret, ctx=self._ctx)
        if key is not None:
            self._keys.put(digest, key, now)
        return key

    def _hear(self, event: Any) -> None:
        """Forget a key at once that this process has revoked."""
        if isinstance(event, KeyRevoked):
            self._keys.forget()

    def _of_browser(self) -> ApiKey | None:
        """Return who is signed in, None when nobody is."""
        session = browsers.session(self._ctx)
        if session is None:
            return None
        if self._is_due(session.digest):
            _when_sent(partial(note_seen, session, ctx=self._ctx))
        return session.key

    def _is_due(self, user: str) -> bool:
        """Whether it is to be written that somebody is there, which is once a minute."""
        now = self._ctx.clock.monotonic()
        is_due = self._used.get(user, now) is None
        if is_due:
            self._used.put(user, True, now)
        return is_due


def _when_sent(write: Callable[[], None]) -> None:
    """Write something after the answer is sent, if the store lets it."""

    def attempt() -> None:
        with suppress(StoreUnavailable):
            write()

    def attach(response: Response) -> Response:
        response.call_on_close(attempt)
        return response

    after_this_request(attach)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _bearer() -> str | None:
    """Return the key that the request brings, None when it brings none."""
    scheme, _, secret = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    secret = secret.strip()
    return secret if scheme.lower() == "bearer" and 0 < len(secret) <= LONGEST_KEY else None


def request_id() -> str:
    """Return the caller's request id if it is harmless, else a new one."""
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def seal(response: Response) -> Response:
    """Put the security headers and the request id on an answer; a view may have set its own."""
    present = {name for name, _ in response.headers}
    for name, value in SECURITY_HEADERS.items():
        if name not in present:
            response.headers.add(name, value)
    response.headers.add("X-Request-ID", g.get("request_id", ""))
    if "dry_run" in g:
        response.headers.add("Dry-Run", "true")
    return response
