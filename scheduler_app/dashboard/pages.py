"""The blueprint of all pages, and which role each needs; one that is not listed needs the highest."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from scheduler_app.dashboard import (
    acting,
    assets,
    editor,
    first,
    job,
    jobs,
    keys,
    overall,
    overview,
    preferences,
    run,
    runs,
    saved,
    search,
    signing,
    timeline,
    week,
    words,
)
from scheduler_app.dashboard.frame import EXTENSION, render
from scheduler_app.services.context import Context

NEEDS = {
    "pages.show_overview": "viewer",
    "pages.list_runs": "viewer",
    "pages.export_runs": "viewer",
    "pages.search": "viewer",
    "pages.keep_search": "viewer",
    "pages.forget_search": "viewer",
    "pages.show_timeline": "viewer",
    "pages.show_run": "viewer",
    "pages.download_log": "viewer",
    "pages.cancel_run": "operator",
    "pages.retry_run": "operator",
    "pages.list_keys": "admin",
    "pages.create_key": "admin",
    "pages.revoke_key": "admin",
    "pages.sign_out": "viewer",
    "pages.run_first": "admin",
    "pages.show_crontab": "admin",
    "pages.save_crontab": "admin",
    "pages.show_week": "viewer",
    "pages.show_scheduler": "viewer",
    "pages.pause_scheduler": "operator",
    "pages.resume_scheduler": "operator",
    "pages.drain_engine": "admin",
    "pages.resume_engine": "admin",
    "pages.forget_engine": "admin",
    "pages.list_jobs": "viewer",
    "pages.show_job": "viewer",
    "pages.export_job": "viewer",
    "pages.ask_run": "operator",
    "pages.run_job": "operator",
    "pages.ask_pause": "operator",
    "pages.pause_job": "operator",
    "pages.resume_job": "operator",
    "pages.skip_firings": "operator",
    # to delete and to tag by it needs more, which its view asks for
    "pages.act_on_jobs": "operator",
    "pages.ask_delete": "admin",
    "pages.delete_job": "admin",
    "pages.new_job": "admin",
    "pages.create_job": "admin",
    "pages.edit_job": "admin",
    "pages.change_job": "admin",
}
OPEN = frozenset({"pages.send_asset", "pages.set_preferences", "pages.sign_in"})
MODULES = (
    assets,
    preferences,
    overview,
    first,
    week,
    overall,
    jobs,
    job,
    editor,
    acting,
    run,
    runs,
    saved,
    search,
    timeline,
    keys,
    signing,
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_pages(ctx: Context, *, may_stream: bool = True) -> Blueprint:
    """Build the pages over `ctx`, to be registered beside the API, whose guard stands before both.

    Where no stream of events is held open, a page need not try: it looks every 10 s.
    """
    pages = Blueprint("pages", __name__, template_folder="templates")
    pages.record(lambda state: state.app.extensions.update({EXTENSION: ctx}))
    pages.after_request(_confined)
    pages.add_app_template_filter(words.countdown, "countdown")
    pages.add_app_template_global(lambda: may_stream, "may_stream")
    for module in MODULES:
        module.register(pages)
    return pages


def tell(problem: Mapping[str, Any]) -> str:
    """Tell a problem (RFC 9457) as a page."""
    return render("problem.html", problem=problem)


def _confined(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
