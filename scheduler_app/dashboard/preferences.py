"""What a browser prefers: the theme, and the zone in which times are told. Kept in two cookies, and nowhere else."""

from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from scheduler_app.dashboard import addresses
from scheduler_app.domain.zone import find_zone, zone_names

THEME = "scheduler_theme"
ZONE = "scheduler_zone"
THEMES = ("auto", "light", "dark")
UTC = "UTC"
YEAR = 365 * 86400


def theme() -> str:
    """Return the theme of the present browser."""
    given = request.cookies.get(THEME)
    return given if given in THEMES else "auto"


def zone() -> ZoneInfo:
    """Return the zone of the present browser, as far as it has told one."""
    return find_zone(request.cookies.get(ZONE, UTC)) or ZoneInfo(UTC)


def register(pages: Blueprint) -> None:
    """Let a browser without scripts set them."""
    pages.add_url_rule("/preferences", "set_preferences", set_preferences, methods=["POST"])


def set_preferences() -> Response:
    """Keep what is known of what was sent, and go back to the page it came from."""
    answer = redirect(addresses.back(url_for("pages.show_overview")), 303)
    for name, is_fit in ((THEME, THEMES.__contains__), (ZONE, zone_names().__contains__)):
        value = request.form.get(name, "")
        if value and is_fit(value):
            answer.set_cookie(name, value, max_age=YEAR, samesite="Strict", path=request.script_root or "/")
    return answer
