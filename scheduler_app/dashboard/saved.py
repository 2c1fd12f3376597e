"""Saved searches: what the address of a list says, kept under a name by who uses it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from scheduler_app.dashboard.addresses import clean
from scheduler_app.dashboard.frame import context
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.services import searches

PAGES = {"jobs": "pages.list_jobs", "runs": "pages.list_runs"}
LONGEST_NAME = 60
LONGEST_QUERY = 4000
SEE_OTHER = 303


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """The searches of a page: name, address, whether it is the present one; and what the present address says."""

    page: str
    query: str
    searches: tuple[tuple[str, str, bool], ...]


def register(pages: Blueprint) -> None:
    """Serve what keeps and forgets a search."""
    pages.add_url_rule("/searches", "keep_search", keep_search, methods=["POST"])
    pages.add_url_rule("/searches/forget", "forget_search", forget_search, methods=["POST"])


def saved_of(page: str, here: str) -> Saved:
    """Return who asks' searches of a page, beside the present one, whose address is `here`."""
    query = urlsplit(here).query
    kept = searches.list_searches(page, ctx=context())
    listed = ((name, f"{url_for(PAGES[page])}?{said}", said == query) for name, said in kept.items())
    return Saved(page=page, query=query, searches=tuple(listed))


def keep_search() -> Response:
    """Keep the search that the form names."""
    page, name = _page(), clean(request.form.get("name", ""))
    query = clean(request.form.get("query", "")).removeprefix("?")
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidInput.of(Fault(pointer="/name", detail=f"name must be 1 to {LONGEST_NAME} characters"))
    if not 0 < len(query) <= LONGEST_QUERY:
        raise InvalidInput.of(Fault(pointer="/query", detail="there is no filter in force; choose one, then save it"))
    searches.keep_search(page, name, query, ctx=context())
    return redirect(f"{url_for(PAGES[page])}?{query}", SEE_OTHER)


def forget_search() -> Response:
    """Keep a search no more."""
    page = _page()
    searches.forget_search(page, request.form.get("name", ""), ctx=context())
    query = clean(request.form.get("query", ""))
    return redirect(url_for(PAGES[page]) + (f"?{query}" if query else ""), SEE_OTHER)


def _page() -> str:
    page = request.form.get("page", "")
    if page not in PAGES:
        raise InvalidInput.of(Fault(pointer="/page", detail=f"page must be one of {', '.join(PAGES)}"))
    return page
