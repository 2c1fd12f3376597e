"""Callers that are browsers: the token that a cookie holds, and the proof that a request comes from a page of ours.

A browser sends its cookies with whatever any page makes it send. So what changes something needs the CSRF token too,
which only a page of ours knows: in the header `X-CSRF-Token`, or of a page in the field `csrf_token`. A browser without
a session of ours gets a cookie of its own for it, so that the form of the sign-in is proven as well, and the pages of
who is signed in to the app around. A cookie is named after the port: browsers do not tell the ports of a host apart.

The pages say what is to become of the session by `g.session_token`, a new one, or `g.signed_out`.
"""

import re
from urllib.parse import quote, urlencode

from flask import Response, g, request, url_for
from markupsafe import Markup
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as AnyResponse

from scheduler_app.api.logins import SAFE, refuse_other_sites
from scheduler_app.api.refusals import WrongCsrfToken
from scheduler_app.services import sessions
from scheduler_app.services.context import Context
from scheduler_app.store.keys import ApiKey

PAGES = "pages"
SIGN_IN = "pages.sign_in"
SESSION, CSRF = "scheduler_session", "scheduler_csrf"
HEADER, FIELD = "X-CSRF-Token", "csrf_token"
IN_PATHS = "/:@!$&'()*+,;=~"
OTHER_SITES = ("cross-site", "same-site")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PORT = re.compile(r":([0-9]{1,5})", re.ASCII)
AGAIN = Markup("""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>One moment</title><meta http-equiv="refresh" content="0; url={url}"></head>
<body><p><a href="{url}">Go on</a></p></body></html>
""")


def is_page() -> bool:
    """Whether the present request is for a page."""
    return request.blueprint == PAGES


def caller(ctx: Context) -> ApiKey | None:
    """Return who is signed in, None when nobody is; what changes something must come from a page of ours."""
    token = token_of(SESSION)
    session = None if token is None else sessions.caller_of(token, ctx=ctx)
    if token is None or session is None:
        return None
    prove(token)
    g.session = session
    return session.key


def prove_visitor() -> None:
    """Do the same for a browser without a session of ours."""
    g.session_cookie = token_of(SESSION)
    token = token_of(CSRF)
    if token is None:
        token = g.csrf_cookie = sessions.new_token()
    prove(token)


def prove(token: str) -> None:
    """Tell the page its CSRF token; refuse what changes something and does not bring it."""
    g.csrf_token = sessions.csrf_token(token)
    if request.method in SAFE:
        return
    refuse_other_sites(takes_forms=is_page())
    given = request.headers.get(HEADER) or (request.form.get(FIELD) if is_page() else None)
    if not sessions.proves(given or "", token):
        how = (
            f"the field {FIELD}; load the page again, and let it keep cookies" if is_page() else f"the header {HEADER}"
        )
        raise WrongCsrfToken(f"what a signed-in browser changes needs the CSRF token of its page, in {how}")


def token_of(kind: str) -> str | None:
    """Return the token that the browser keeps, if it is one."""
    found = request.cookies.get(_name(kind), "")
    return found if _TOKEN.fullmatch(found) else None


def settle(response: Response) -> Response:
    """Let the browser keep, or forget, what the request came to."""
    if "csrf_cookie" in g:
        _keep(response, CSRF, g.csrf_cookie)
    if "session_token" in g:
        _keep(response, SESSION, g.session_token)
    elif "signed_out" in g:
        response.delete_cookie(_name(SESSION), path=_path(), httponly=True, samesite="Strict", secure=request.is_secure)
    return response


def send_to_sign_in() -> AnyResponse:
    """Send who wants a page to the sign-in, and back afterwards.

    What another site links to comes without our cookie, which is strict; asked for again by a page of ours it has it.
    """
    if request.method not in SAFE:
        return redirect(url_for(SIGN_IN), 303)
    here = _here()
    if token_of(SESSION) is None and request.headers.get("Sec-Fetch-Site") in OTHER_SITES:
        return Response(AGAIN.format(url=request.script_root + here), mimetype="text/html")
    return redirect(url_for(SIGN_IN, next=None if here == "/" else here), 303)


def send_to_login(url: str) -> AnyResponse:
    """Send who wants a page to the login of the app around."""
    back = {"next": request.script_root + _here()} if request.method in SAFE else {}
    return redirect(f"{url}{'&' if '?' in url else '?'}{urlencode(back)}" if back else url, 303)


def _here() -> str:
    """Return the address of the present page, below where we are served."""
    query = request.query_string.decode("latin-1")
    return quote(request.path, safe=IN_PATHS) + (f"?{query}" if query else "")


def _keep(response: Response, kind: str, token: str) -> None:
    secure = request.is_secure
    response.set_cookie(_name(kind), token, path=_path(), httponly=True, samesite="Strict", secure=secure)


def _name(kind: str) -> str:
    port = _PORT.search(request.host.rpartition("]")[2])
    return f"{kind}_{port[1] if port else 443 if request.is_secure else 80}"


def _path() -> str:
    return request.script_root or "/"
