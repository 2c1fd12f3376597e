"""Sign in with a key, or with the code of a one-time link, and out again.

A link only shows a form: it is the form that uses the code up, so that what looks at links beforehand does not.
"""

from flask import Blueprint, Response, g, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler_app.dashboard import paths
from scheduler_app.dashboard.frame import context, render
from scheduler_app.errors import TooManyFailures, Unauthorized
from scheduler_app.services import sessions
from scheduler_app.services.context import Actor

WRONG_KEY = "This key is wrong, has expired or was revoked."
WRONG_CODE = "This link was used, or is older than five minutes. Ask for a new one, or sign in with a key."
TOO_MANY = "Too many wrong keys from this address. Wait a minute."


def register(pages: Blueprint) -> None:
    """Serve the pages."""
    pages.add_url_rule("/sign-in", "sign_in", sign_in, methods=["GET", "POST"])
    pages.add_url_rule("/sign-out", "sign_out", sign_out, methods=["POST"])


def sign_in() -> AnyResponse:
    """Show the form, and begin a session with what it sends."""
    if request.method == "POST":
        return _begin(request.form.get("key", "").strip(), request.form.get("code", ""))
    code, here = request.args.get("code", ""), paths.own(request.args.get("next"))
    if not code and g.session_cookie and sessions.caller_of(g.session_cookie, ctx=context()):
        return redirect(here, 303)
    return _form(code=code, wanted=request.args.get("next", ""))


def sign_out() -> AnyResponse:
    """End the session."""
    if "session" in g:
        sessions.sign_out(g.session, ctx=context().by(g.actor))
    g.signed_out = True
    return redirect(url_for("pages.sign_in"), 303)


def _begin(key: str, code: str) -> AnyResponse:
    ctx = context().by(Actor(name="", request_id=g.request_id))
    begin, given = (sessions.sign_in_by_code, code) if code else (sessions.sign_in, key)
    wanted = request.form.get("next", "")
    try:
        g.session_token = begin(given, address=request.remote_addr or "", former=g.session_cookie, ctx=ctx)
    except Unauthorized:
        return _form(wanted=wanted, wrong=WRONG_CODE if code else WRONG_KEY, status=401)
    except TooManyFailures:
        return _form(wanted=wanted, wrong=TOO_MANY, status=429)
    return redirect(paths.own(wanted), 303)


def _form(*, code: str = "", wanted: str = "", wrong: str = "", status: int = 200) -> Response:
    page = render("sign_in.html", code=code, wanted=wanted, wrong=wrong)
    return make_response(page, status, {"Retry-After": "60"} if status == 429 else {})
