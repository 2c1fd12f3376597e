"""Overview: is anything wrong now?"""

from flask import Blueprint

from scheduler_app.dashboard.frame import render


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/", "show_overview", show_overview)


def show_overview() -> str:
    """Show what ran, what runs and what is wrong."""
    return render("overview.html")
