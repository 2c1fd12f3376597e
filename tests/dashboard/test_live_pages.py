"""The pages as a person uses them, in a real browser, on a real service: live, by keyboard, without scripts."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.dashboard.browsing import CHROMIUM, PATIENCE, launched
from tests.service.harness import Service, serving, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("live")) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture
def browse(browser: Browser, served: Service) -> Iterator[Open]:
    """Sign in, and open a page; at the end no page had an error."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def make(path: str, *, scripts: bool = True, **options: Any) -> Page:
        context = browser.new_context(
            base_url=served.url, java_script_enabled=scripts, timezone_id="Europe/Berlin", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto("/sign-in")
        page.fill("input[name=key]", served.key)
        page.press("input[name=key]", "Enter")
        page.wait_for_url(lambda url: "sign-in" not in url)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if served.url not in request.url else None)
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert faults == []


def lines(page: Page) -> int:
    return page.locator(".log-body li").count()


def connection(page: Page) -> Any:
    return expect(page.locator("#connection"), "what the rail says")


def test_progress_and_log_come_live_and_a_cancel_by_keyboard_shows_at_once(browse: Open, served: Service) -> None:
    run = served.add("demo.count", kwargs={"n": 60})
    served.in_state(run, "running")
    page = browse(f"/runs/{run}")
    page.evaluate("window.isSame = true")
    connection(page).to_contain_text("Live", timeout=PATIENCE)
    before = lines(page)
    wait_until(lambda: lines(page) > before + 1, within=15)
    expect(page.locator("[data-live=progress]")).to_contain_text("of 60 · counted", timeout=PATIENCE)

    page.keyboard.press("c")
    expect(page.locator("dialog:modal a[data-close]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Cancelled after", timeout=PATIENCE)


def test_a_page_shows_the_end_of_its_run_without_being_loaded_again(browse: Open, served: Service) -> None:
    run = served.add("demo.count", kwargs={"n": 4})
    page = browse(f"/runs/{run}")
    page.evaluate("window.isSame = true")

    expect(page.locator("h1")).to_contain_text("Succeeded in", timeout=PATIENCE)
    expect(page.locator("[data-follow]")).to_be_hidden(timeout=PATIENCE)
    wait_until(lambda: lines(page) == 4, within=10)
    assert page.evaluate("window.isSame") is True


def test_newer_runs_are_counted_above_the_list_and_no_row_moves(browse: Open, served: Service) -> None:
    served.run_now("work")
    page = browse("/runs")
    connection(page).to_contain_text("Live", timeout=PATIENCE)
    first = page.locator("tr[data-id]").first.get_attribute("data-id")
    served.run_now("work")

    expect(page.locator("[data-newer]")).to_contain_text("newer run", timeout=PATIENCE)
    assert page.locator("tr[data-id]").first.get_attribute("data-id") == first
    page.click("text=Show them")
    expect(page.locator("tr[data-id]").first).not_to_have_attribute("data-id", first or "")


def test_a_failed_run_is_retried_with_one_key(browse: Open, served: Service) -> None:
    run = served.run_now("demo.flaky", kwargs={"failures": 1}, max_retries=0)["id"]
    page = browse(f"/runs/{run}")
    expect(page.locator("h1")).to_contain_text("Failed after")
    expect(page.locator(".run-error")).to_contain_text("no luck this time")
    page.keyboard.press("t")
    page.wait_for_url(lambda url: not url.endswith(f"/runs/{run}"))
    expect(page.locator(".lead").first).to_contain_text(f"a retry of run {run}")


def test_a_lost_service_is_told_and_its_return_heals_the_page(browse: Open, served: Service) -> None:
    page = browse("/runs")
    page.evaluate("window.isSame = true")
    connection(page).to_contain_text("Live", timeout=PATIENCE)
    served.kill()
    connection(page).to_contain_text(re.compile(r"Not live since \d\d:\d\d:\d\d, retrying in \d+ s"), timeout=PATIENCE)
    served.close_client()
    served.start()
    connection(page).to_contain_text("Live ·", timeout=PATIENCE)
    run = served.run_now("work")["id"]
    expect(page.locator("[data-newer]")).to_contain_text("newer run", timeout=PATIENCE)
    assert page.evaluate("window.isSame") is True and run


def test_the_first_runs_of_a_list_that_was_empty_are_counted(browse: Open, served: Service) -> None:
    page = browse("/runs?task=work&job=first-of-all")
    connection(page).to_contain_text("Live", timeout=PATIENCE)
    served.post("/jobs", {"id": "first-of-all", "task": "work"}, expect=202)
    expect(page.locator("[data-newer]")).to_contain_text("1 newer run arrived", timeout=PATIENCE)
    page.get_by_role("link", name="Show them").click()
    expect(page.locator("tr[data-id]")).to_have_count(1)


def test_a_page_that_a_busy_store_refused_is_asked_for_again(browse: Open, served: Service) -> None:
    page = browse("/runs")
    connection(page).to_contain_text("Live", timeout=PATIENCE)
    page.route("**/runs", lambda route: route.fulfill(status=503), times=2)
    served.run_now("work")
    expect(page.locator("[data-newer]")).to_contain_text("newer run", timeout=PATIENCE)


def test_a_hidden_tab_holds_no_stream(browse: Open) -> None:
    page = browse("/runs")
    connection(page).to_contain_text("Live", timeout=PATIENCE)
    hide = "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})"
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/api/v1/events")):
        page.evaluate(f"{hide}; document.dispatchEvent(new Event('visibilitychange'))")
    with page.expect_request("**/api/v1/events"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_two_tabs_share_one_stream(browse: Open) -> None:
    first = browse("/runs")
    connection(first).to_contain_text("Live", timeout=PATIENCE)
    second = first.context.new_page()
    asked: list[str] = []
    second.on("request", lambda request: asked.append(request.url))
    second.goto("/timeline")
    connection(second).to_contain_text("Live", timeout=PATIENCE)
    assert not any(url.endswith("/events") for url in asked)
    with second.expect_request("**/api/v1/events"):
        first.close()


def test_where_there_is_no_room_for_a_stream_a_page_looks_every_ten_seconds_without_an_error(
    browse: Open, served: Service
) -> None:
    told: list[str] = []
    key = {"Authorization": f"Bearer {served.key}"}
    with ExitStack() as streams:
        client = streams.enter_context(httpx.Client(base_url=served.url, headers=key, timeout=PATIENCE / 1000))

        def fill() -> None:
            while streams.enter_context(client.stream("GET", "/api/v1/events")).status_code == 200:
                continue

        page = browse("/week")
        page.on("console", lambda message: told.append(message.text))

        def looks() -> bool:
            fill()  # the streams of pages closed before end only now, and each leaves a place
            told.clear()
            page.reload()
            connection(page).to_contain_text(re.compile("Every 10 s|Live"), timeout=PATIENCE)
            return "Every 10 s" in page.locator("#connection").inner_text()

        wait_until(looks, within=PATIENCE / 1000)
    assert told == []


def test_everything_is_reached_by_keyboard(browse: Open, served: Service) -> None:
    served.post("/jobs", {"id": "keyed", "task": "work", "trigger": {"type": "interval", "hours": 1}}, expect=201)
    served.run_now("work")
    page = browse("/")
    for key, path in (("r", "/runs"), ("t", "/timeline"), ("s", "/scheduler"), ("j", "/jobs")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"**{path}")
    page.goto("/runs")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    page.goto("/runs")
    page.keyboard.press("/")
    page.keyboard.type("keye")
    expect(page.locator("[role=option]").first).to_contain_text("keyed")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/keyed")
    page.goto("/runs")
    page.keyboard.press("?")
    page.locator("#help input").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page).to_have_url(re.compile("/runs$"))


def test_bars_are_brushed_by_dragging_and_by_arrows(browse: Open, served: Service) -> None:
    served.run_now("work")
    page = browse("/runs")
    box = page.locator(".brush").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=.*to="))
    page.goto("/runs")
    page.locator(".brush").focus()
    for key in ("ArrowLeft", "Shift+ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile(r"from=.*to="))


def test_without_scripts_pages_filter_and_a_run_is_cancelled(browse: Open, served: Service) -> None:
    run = served.add("demo.count", kwargs={"n": 60})
    served.in_state(run, "running")
    page = browse("/runs", scripts=False)
    page.click("summary:has-text('state')")
    page.check("input[value=running]")
    page.click("button:has-text('Filter')")
    page.click(f"tr[data-id='{run}'] a.name")
    page.click("text=Cancel run…")
    page.click("button:has-text('Cancel the run')")
    assert served.ended(run)["state"] == "cancelled"
    page.reload()
    expect(page.locator("h1")).to_contain_text("Cancelled after")
    expect(page.locator("[data-find]")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_people_out(browse: Open, served: Service, theme: str, tmp_path: Path) -> None:
    failed = served.run_now("demo.flaky", kwargs={"failures": 1}, max_retries=0)["id"]
    page = browse("/runs", color_scheme=theme)
    for path in ("/runs", "/runs?state=lost", f"/runs/{failed}", "/timeline", "/search?q=work", "/keys"):
        page.goto(path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        page.set_viewport_size({"width": 1280, "height": 800})
