"""The blueprint of all pages, and which role each needs; one that is not listed needs the highest."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from scheduler_app.dashboard import assets, first, overall, overview, preferences, week, words
from scheduler_app.dashboard.frame import EXTENSION, render
from scheduler_app.services.context import Context

NEEDS = {
    "pages.show_overview": "viewer",
    "pages.run_first": "admin",
    "pages.show_crontab": "admin",
    "pages.save_crontab": "admin",
    "pages.show_week": "viewer",
    "pages.show_scheduler": "viewer",
    "pages.pause_scheduler": "operator",
    "pages.resume_scheduler": "operator",
}
OPEN = frozenset({"pages.send_asset", "pages.set_preferences"})
MODULES = (assets, preferences, overview, first, week, overall)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_pages(ctx: Context) -> Blueprint:
    """Build the pages over `ctx`, to be registered beside the API, whose guard stands before both."""
    pages = Blueprint("pages", __name__, template_folder="templates")
    pages.record(lambda state: state.app.extensions.update({EXTENSION: ctx}))
    pages.after_request(_confined)
    pages.add_app_template_filter(words.countdown, "countdown")
    for module in MODULES:
        module.register(pages)
    return pages


def tell(problem: Mapping[str, Any]) -> str:
    """Tell a problem (RFC 9457) as a page."""
    return render("problem.html", problem=problem)


def _confined(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
