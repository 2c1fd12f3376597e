"""Behind reverse proxies: what they say of the request as it was sent to the first of them.

Only as many are believed as are configured, counted from here; what comes before was written by anybody.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

Wsgi = Callable[[Any, Any], Iterable[bytes]]
# it begins our links and redirects, so that it must not name another host
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)


def behind(number: int, app: Wsgi) -> Wsgi:
    """Return the app as it is to be called behind so many proxies, which take the prefix off the path."""

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        prefix = environ.get("SCRIPT_NAME", "").rstrip("/")
        environ["SCRIPT_NAME"] = prefix if _PREFIX.fullmatch(prefix) else ""
        environ["wsgi.url_scheme"] = "https" if environ["wsgi.url_scheme"].lower() == "https" else "http"
        return app(environ, start_response)

    return ProxyFix(serve, x_for=number, x_proto=number, x_host=number, x_prefix=number)
