"""The pages in a real browser: nothing keeps people out, nothing scrolls sideways, nothing is asked for elsewhere."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.dashboard.browsing import CHROMIUM, PATIENCE, launched
from tests.dashboard.served import key_of, opened, served
from tests.dashboard.world import registry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
PAGES = ("/", "/scheduler", "/week")
Filled = Callable[[str], Path]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as started:
        yield started


@pytest.fixture
def look(browser: Browser, filled: Filled) -> Iterator[Open]:
    """Open a page of a store in a window of its own; at the end nothing may have gone wrong in any."""
    told: list[str] = []
    closing: list[Callable[..., object]] = []

    def make(path: str, *, store: str = "full", theme: str = "light", width: int = 1440) -> Page:
        folder = filled(store)
        opening = opened(folder)
        serving = served(opening.__enter__(), registry())
        url = serving.__enter__()
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            extra_http_headers={"Authorization": f"Bearer {key_of(folder)}"},
            timezone_id="Europe/Berlin",
        )
        closing.extend(
            (lambda: opening.__exit__(None, None, None), lambda: serving.__exit__(None, None, None), context.close)
        )
        context.set_default_timeout(PATIENCE)
        prefer(context, url, theme)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((url, "data:")) else told.append(request.url))
        page.goto(url + path)
        return page

    yield make
    for close in reversed(closing):
        close()
    assert not told


def prefer(context: BrowserContext, url: str, theme: str) -> None:
    for name, value in (("scheduler_theme", theme), ("scheduler_zone", "Europe/Berlin")):
        context.add_cookies([{"name": name, "value": value, "url": url}])


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds: each rule with the elements that break it."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("store", ["full", "empty"])
def test_nothing_on_a_page_keeps_people_out(look: Open, theme: str, store: str) -> None:
    page = look("/", store=store, theme=theme)
    address = page.url.rstrip("/")
    for path in PAGES:
        page.goto(address + path)

        assert violations(page) == [], path


@pytest.mark.parametrize("width", [360, 1920])
def test_no_page_scrolls_sideways_whatever_people_wrote(look: Open, width: int) -> None:
    page = look("/", store="hostile", width=width)
    address = page.url.rstrip("/")
    for path in PAGES:
        page.goto(address + path)

        assert sideways(page) == 0, path


def test_the_tape_ends_runs_at_now_and_leads_to_the_timeline(look: Open) -> None:
    page = look("/")
    tape = page.locator("#tape")
    box = tape.bounding_box()
    assert box is not None

    ends = [
        bar["x"] + bar["width"]
        for bar in [running.bounding_box() for running in tape.locator(".bar-running").all()]
        if bar
    ]

    assert ends and all(abs(end - (box["x"] + 0.64 * box["width"])) < 2 for end in ends)
    assert (tape.get_attribute("aria-label") or "").startswith("Last 40 minutes: ")


def test_a_chosen_theme_is_kept(look: Open) -> None:
    page = look("/", theme="light")

    page.locator(".rail select[name=scheduler_theme]").select_option("dark")
    page.wait_for_selector("html[data-theme=dark]")

    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(15, 18, 20)"


def test_arrows_walk_through_the_week_and_enter_lists_an_hour(look: Open) -> None:
    page = look("/week?hour=2026-11-23T01:00:00%2B00:00")

    page.locator(".heat a[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**hour=2026-11-25*")

    assert page.locator("#hour-title").inner_text() == "Wednesday 03–04"


def test_everything_is_paused_without_a_script(browser: Browser, filled: Filled, tmp_path: Path) -> None:
    with opened(tmp_path) as database, served(database, registry()) as url:
        headers = {"Authorization": f"Bearer {key_of(tmp_path)}"}
        context = browser.new_context(java_script_enabled=False, extra_http_headers=headers)
        page = context.new_page()
        page.goto(url + "/scheduler")

        page.get_by_text("Pause all firing…").click()
        page.get_by_label("Reason").fill("moving house")
        page.get_by_role("button", name="Pause all firing").click()

        assert "moving house" in page.locator(".banner.paused").inner_text()
        page.get_by_role("button", name="Resume", exact=True).click()
        assert page.locator(".banner.paused").count() == 0
        context.close()


def test_by_keyboard_an_engine_is_drained_and_everything_paused_in_dialogs(
    browser: Browser, filled: Filled, tmp_path: Path
) -> None:
    shutil.copytree(filled("full"), tmp_path, dirs_exist_ok=True)
    with opened(tmp_path) as database, served(database, registry()) as url:
        headers = {"Authorization": f"Bearer {key_of(tmp_path)}"}
        context = browser.new_context(extra_http_headers=headers, timezone_id="Europe/Berlin")
        prefer(context, url, "light")
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.goto(url + "/scheduler")

        opener = page.get_by_role("link", name="Drain… the engine app-1")
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Drain app-1, pid 4121?")
        assert dialog.get_by_role("link", name="Cancel").evaluate("one => one === document.activeElement")
        page.keyboard.press("Escape")
        assert opener.evaluate("one => one === document.activeElement"), "focus is back where it was"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Resume the engine app-1").wait_for()

        page.get_by_role("link", name="Pause all firing…").focus()
        page.keyboard.press("Enter")
        asked = page.get_by_role("dialog", name="Pause all firing?")
        assert page.locator("dialog:modal").count() == 1
        assert asked.get_by_role("link", name="Cancel").evaluate("one => one === document.activeElement")
        assert violations(page) == []
        page.keyboard.press("Shift+Tab")
        page.keyboard.type("moving house")
        page.keyboard.press("Enter")
        page.locator(".banner.paused", has_text="moving house").wait_for()
        assert not told
        context.close()
