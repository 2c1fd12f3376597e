"""Who may ask, and under which name: the `Host` header, the API key, the limit of wrong keys, the headers of answers.

A good key is looked up before anything is counted, so that nobody can lock its owner out from the same address.
"""

import hashlib
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

from flask import Flask, Response, g, request

from scheduler_app.api.logins import Login, caller_of
from scheduler_app.api.refusals import BadHost, TooManyFailures, Unauthorized
from scheduler_app.api.roles import NEEDS, require
from scheduler_app.domain.spec import shown
from scheduler_app.errors import StoreUnavailable
from scheduler_app.services.context import Actor, Context
from scheduler_app.services.keys import USES_APART, authenticate, note_use
from scheduler_app.services.roles import Role
from scheduler_app.signals import KeyRevoked
from scheduler_app.store.keys import ApiKey

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
KEY_SECONDS = 5.0
KEYS_KEPT = 256
WRONG_KEYS_ALLOWED = 10
FAILURES_ALLOWED = 60
FAILURE_SECONDS = 60.0
ADDRESSES_KEPT = 4096
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
Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values that are forgotten after some seconds, and the oldest first when there are too many."""

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[str, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, now: float) -> Value | None:
        """Return what is kept under a name, unless it is too old."""
        kept = self._kept.get(name)
        return kept[1] if kept is not None and now < kept[0] else None

    def put(self, name: str, value: Value, now: float) -> None:
        """Keep a value from now on."""
        with self._lock:
            self._kept[name] = (now + self._seconds, value)
            self._kept.move_to_end(name)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()


class Guard:
    """Stands before every call."""

    def __init__(self, ctx: Context, hosts: Collection[str] | None, login: Login | None = None) -> None:
        self._ctx = ctx
        self._login = login
        self._hosts = None if hosts is None else LOOPBACK | {host.strip("[]").lower() for host in hosts}
        self._keys: Memory[ApiKey] = Memory(seconds=KEY_SECONDS, most=KEYS_KEPT)
        self._used: Memory[bool] = Memory(seconds=USES_APART.total_seconds(), most=KEYS_KEPT)
        self._failures: Memory[list[str]] = Memory(seconds=FAILURE_SECONDS, most=ADDRESSES_KEPT)
        self._needs: Mapping[str, str] = NEEDS
        self._open: Collection[str] = OPEN_ENDPOINTS
        ctx.bus.subscribe(self._hear)

    def admit_to(self, needs: Mapping[str, str], open_to_all: Collection[str]) -> None:
        """Stand before further endpoints too, each with the role that it needs."""
        self._needs = {**self._needs, **needs}
        self._open = frozenset({*self._open, *open_to_all})

    def register(self, app: Flask) -> None:
        """Stand before and after every request of `app`."""
        app.before_request(self.admit)
        app.after_request(self._note_use)
        app.after_request(seal)

    def admit(self) -> None:
        """Let a request pass, or refuse it. A path that does not exist outside the API is left to become a 404."""
        g.request_id = request_id()
        self._check_host()
        unknown = request.endpoint is None and not request.path.startswith("/api/")
        if request.endpoint not in self._open and not unknown:
            g.key = self._caller()
            g.actor = Actor(name=g.key.name, api_key=g.key.id or None, request_id=g.request_id)
            if request.endpoint is not None:
                require(Role(self._needs.get(request.endpoint, Role.ADMIN)))
        elif request.endpoint in TELLING_MORE and _bearer() is not None:
            g.key = self._caller()

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
        key = None if secret is None else self._key_of(secret)
        if key is not None:
            return key
        try:
            return caller_of(self._login)
        except Unauthorized:
            if secret is None:
                raise
            raise self._failed(request.remote_addr or "", _digest(secret), self._ctx.clock.monotonic()) from None

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

    def _note_use(self, response: Response) -> Response:
        """Remember once a minute that a key was used, after the answer is sent."""
        key: ApiKey | None = g.get("key")
        now = self._ctx.clock.monotonic()
        if key is not None and key.id and self._used.get(str(key.id), now) is None:
            self._used.put(str(key.id), True, now)
            response.call_on_close(lambda: self._write_use(key.id))
        return response

    def _write_use(self, key_id: int) -> None:
        with suppress(StoreUnavailable):
            note_use(key_id, ctx=self._ctx)

    def _failed(self, address: str, digest: str, now: float) -> Unauthorized | TooManyFailures:
        """Count a wrong key of an address; the count starts anew after a minute without one.

        Who guesses sends many keys, and is stopped soon; one wrong key again and again is a client set up wrong.
        """
        failures = [*(self._failures.get(address, now) or ()), digest][-FAILURES_ALLOWED - 1 :]
        self._failures.put(address, failures, now)
        if len(failures) > FAILURES_ALLOWED or len(set(failures)) > WRONG_KEYS_ALLOWED:
            return TooManyFailures("too many wrong API keys from this address; wait a minute")
        return Unauthorized("the API key is wrong or has expired")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _bearer() -> str | None:
    """Return the key that the request brings, None when it brings none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    return secret if scheme.lower() == "bearer" and 0 < len(secret) <= LONGEST_KEY else None


def request_id() -> str:
    """Return the caller's request id if it is harmless, else a new one."""
    given = request.headers.get("X-Request-ID", "")
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
