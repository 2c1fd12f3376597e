"""Where a form leads back to: a page of ours, whatever it was sent."""

import re
from urllib.parse import unquote

from flask import current_app, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

LONGEST = 2000
# visible ASCII without the backslash, which browsers take for a slash; what begins with two slashes is another host
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*", re.ASCII)
NOT_BACK = ("pages.sign_in", "pages.sign_out", "pages.send_asset")


def own(wanted: str | None) -> str:
    """Return the address of a page of ours that can be looked at, below where we are served; else of the first one."""
    if wanted is None or len(wanted) > LONGEST or not _PATH.fullmatch(wanted) or not _is_page(wanted):
        return url_for("pages.show_overview")
    return request.script_root + wanted


def _is_page(path: str) -> bool:
    routes = current_app.create_url_adapter(request)
    assert routes is not None
    try:
        endpoint, _ = routes.match(unquote(path.partition("#")[0].partition("?")[0]), method="GET")
    except (HTTPException, RequestRedirect):
        return False
    return str(endpoint).startswith("pages.") and endpoint not in NOT_BACK
