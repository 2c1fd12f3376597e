"""`python -m tests.dashboard.shots FOLDER`: fill a store with realistic data and take a picture of every page.

The clock of the served pages stands, so that two runs give the same pictures.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Browser, sync_playwright

from scheduler_app.store.tables import runs
from tests.dashboard.browsing import launched
from tests.dashboard.history import fill
from tests.dashboard.served import key_of, opened, served
from tests.dashboard.world import registry, works

SIZES = {"1440": (1440, 900), "1920": (1920, 1080), "390": (390, 844), "360": (360, 740)}
THEMES = ("light", "dark")
PAGES = {
    "overview": "/",
    "jobs": "/jobs",
    "new-job": "/jobs/new",
    "job": "/jobs/sync-products-us",
    "job-failing": "/jobs/import-bank-statements",
    "edit-job": "/jobs/nightly-backup/edit",
    "runs": "/runs",
    "run": "/runs/{running}",
    "run-failed": "/runs/{failed}",
    "timeline": "/timeline",
    "week": "/week",
    "scheduler": "/scheduler",
    "keys": "/keys",
    "sign-in": "/sign-in",
}
START = time.monotonic()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard.shots", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where pictures and stores are put; stores found there are used again"
    )
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--only", default=",".join(PAGES), help="pages, separated by commas")
    parser.add_argument("--sizes", default=",".join(SIZES), help="widths, separated by commas")
    parser.add_argument("--themes", default=",".join(THEMES), help="themes, separated by commas")
    parser.add_argument("--stores", default="full,empty,hostile", help="stores, separated by commas")
    parser.add_argument("--fill", action="store_true", help="only fill the stores")
    parser.add_argument("--serve", action="store_true", help="fill, then serve the first store until Enter is pressed")
    return parser.parse_args()


def main() -> None:
    """Fill, serve, take pictures."""
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stores = [prepared(stack, given, name) for name in given.stores.split(",")]
        if given.serve:
            _, url, key, _ = stores[0]
            input(f"{url}, Authorization: Bearer {key}; Enter ends")
        elif not given.fill:
            browser = stack.enter_context(launched(stack.enter_context(sync_playwright())))
            for store in stores:
                take(browser, given, *store)


def prepared(stack: ExitStack, given: argparse.Namespace, name: str) -> tuple[str, str, str, dict[str, Any]]:
    """Return a store's name, its address, its key, and the ids of some runs in it."""
    folder = given.folder / f"store-{name}"
    is_new = not folder.exists()
    database = stack.enter_context(opened(folder))
    if is_new:
        number, past = (given.jobs, given.runs) if name == "full" else (0, 0) if name == "empty" else (6, 2_000)
        known = list(works(number, hostile=name == "hostile"))
        fill(database, known, registry(), number=past, tell=lambda told: tell(f"{name}: {told}"))
    with database.read() as tx:
        ids = {state: tx.execute(_newest(state)).scalar() or 1 for state in ("running", "failed")}
    return name, stack.enter_context(served(database, registry())), key_of(folder), ids


def _newest(state: str) -> sa.Select[tuple[int]]:
    first = state == "running"
    return sa.select(runs.c.id).where(runs.c.state == state).order_by(runs.c.id if first else runs.c.id.desc()).limit(1)


def take(browser: Browser, given: argparse.Namespace, store: str, url: str, key: str, ids: dict[str, Any]) -> None:
    """Take every picture of a store."""
    for size, theme in _looks(given):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            extra_http_headers={"Authorization": f"Bearer {key}"},
            color_scheme=theme,
            timezone_id="Europe/Berlin",
        )
        for name, value in (("scheduler_theme", theme), ("scheduler_zone", "Europe/Berlin")):
            context.add_cookies([{"name": name, "value": value, "url": url}])
        page = context.new_page()
        for name in given.only.split(","):
            shot = given.folder / f"{store}-{name}-{size}-{theme}.png"
            answer = page.goto(url + PAGES[name].format(**ids))
            if answer is None or answer.status == 404:
                tell(f"{shot.name}: there is no such page")
                continue
            told = f"{answer.status}{_overflow(page)}"
            # as high as the page is, so that what stands at an edge of the window stands at that of the picture
            page.set_viewport_size({"width": width, "height": page.evaluate("document.documentElement.scrollHeight")})
            page.screenshot(path=shot)
            page.set_viewport_size({"width": width, "height": height})
            tell(f"{shot.name}: {told}")
        context.close()


def _looks(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    return ((size, theme) for size in given.sizes.split(",") for theme in given.themes.split(","))


def _overflow(page: Any) -> str:
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return f", {over} px too wide" if over else ""


def tell(told: str) -> None:
    """Show how far it is."""
    print(f"{time.monotonic() - START:6.1f} s  {told}", flush=True)


if __name__ == "__main__":
    main()
