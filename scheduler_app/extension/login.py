"""Ask the login of a user's app who calls: its function gives a role, inside a request of that app."""

import io
from collections.abc import Callable
from typing import Any

from flask import Flask, request

from scheduler_app.api.logins import Login
from scheduler_app.errors import ConfigurationError

Role = Callable[[], Any]


def checked(role: object) -> Role | None:
    """Return the function that gives a role; ConfigurationError when it is none."""
    if role is not None and not callable(role):
        raise ConfigurationError(
            f"SCHEDULER_ROLE must be a function that returns 'viewer', 'operator', 'admin' or None, got {role!r}"
        )
    return role


def asking(app: Flask, role: Role, prefix: str) -> Login:
    """Return what asks for the role of the present request, which the API below `prefix` is to answer.

    The app's `before_request` functions come first, as in every request of it; nobody is signed in when one of them
    answers in place of the view. The body is left to the API.
    """

    def ask() -> object:
        with app.request_context(_as_sent(request.environ, prefix)):
            if app.preprocess_request() is not None:
                return None
            return app.ensure_sync(role)()

    return ask


def _as_sent(environ: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return a request as it was before it was handed to what is mounted below the prefix, without its body."""
    sent = {key: value for key, value in environ.items() if not key.startswith("werkzeug.request")}
    root = environ.get("SCRIPT_NAME", "").removesuffix(prefix)
    path = prefix + environ.get("PATH_INFO", "")
    return {**sent, "SCRIPT_NAME": root, "PATH_INFO": path, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
