"""The pages of jobs in a real browser: made, changed, paused, run, chosen by the hundred; by hand and by key."""

import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")

from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright  # noqa: E402

from scheduler_app.services.context import Context  # noqa: E402
from tests.dashboard.browsing import CHROMIUM, PATIENCE, launched  # noqa: E402
from tests.dashboard.conftest import KEYS, Browser  # noqa: E402
from tests.dashboard.listening import listening  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium here"),
]
A_MINUTE = 60


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_playwright() as driver, launched(driver) as browser:
        yield browser


@pytest.fixture
def address(app: Any) -> Iterator[str]:
    with listening(app) as url:
        yield url


@pytest.fixture
def window(chromium: Any, address: str) -> Iterator[BrowserContext]:
    yield from _window(chromium, address)


def _window(chromium: Any, address: str, **more: Any) -> Iterator[BrowserContext]:
    given = {
        "base_url": address,
        "extra_http_headers": {"Authorization": f"Bearer {KEYS['admin']}"},
        "timezone_id": "Europe/Berlin",
        "viewport": {"width": 1440, "height": 900},
    } | more
    context = chromium.new_context(**given)
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{"name": "scheduler_zone", "value": "Europe/Berlin", "url": address}])
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """A page that fails its test when anything is told in the console, or asked of another host."""
    page = window.new_page()
    said: list[str] = []
    page.on("console", lambda told: said.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    # refusals are part of what is tried, and no stream is given while the clock stands
    assert [told for told in said if "the server responded with a status of" not in told] == []


def test_the_first_job_is_added_in_under_a_minute(page: Page, browser: Browser) -> None:
    began = time.monotonic()

    page.goto("/jobs")
    page.get_by_text("Make the first job").click()
    page.get_by_label("Task", exact=True).select_option("db.backup")
    page.get_by_label("database", exact=True).fill("orders")
    page.get_by_label("Id", exact=True).fill("orders-backup")
    page.get_by_label("Expression").fill("30 2 * * 0")
    expect(page.locator("[data-reads]")).to_have_text("At 02:30, only on Sunday (Europe/Berlin)")
    expect(page.locator("[data-warnings]")).to_contain_text("2027-03-28 02:30 does not exist")
    page.keyboard.press("Control+Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("orders-backup")
    assert time.monotonic() - began < A_MINUTE
    assert browser.api("GET", "/jobs/orders-backup")["kwargs"] == {"database": "orders", "verify": True}


def test_a_wrong_field_is_told_at_itself_and_what_is_right_is_kept(page: Page, browser: Browser) -> None:
    page.goto("/jobs/new?task=db.backup")
    page.get_by_label("Expression").fill("61 * * * *")
    expect(page.locator("#wrong-trigger-expression")).to_contain_text("61")
    page.get_by_label("Expression").fill("1 * * * *")
    expect(page.locator("#wrong-trigger-expression")).to_have_count(0)
    page.get_by_label("Timeout").fill("soon")
    page.get_by_role("button", name="Create job").click()

    expect(page.locator("#summary")).to_be_focused()
    expect(page.locator("#f-timeout")).to_have_attribute("aria-invalid", "true")
    assert browser.api("GET", "/jobs")["items"] == []


def test_leaving_with_changes_asks_and_saving_sends_only_what_changed(page: Page, browser: Browser) -> None:
    browser.given_job("nightly", timeout=60)
    page.goto("/jobs/nightly/edit")
    page.get_by_label("Timeout").fill("90")
    expect(page.locator("[data-as=curl]")).to_contain_text("--json '{\n \"timeout\": 90\n}'")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.get_by_role("link", name="Cancel").click()

    assert asked
    page.get_by_role("button", name="Save changes").click()
    expect(page).to_have_url(re.compile("/jobs/nightly$"))
    assert browser.api("GET", "/jobs/nightly")["timeout"] == 90


def test_what_is_filled_in_before_the_scripts_are_here_counts(page: Page, browser: Browser) -> None:
    browser.given_job("nightly", timeout=60)
    held: list[Route] = []
    page.route(re.compile(r"editor.*\.js"), lambda route: held.append(route))
    with page.expect_request(re.compile(r"editor.*\.js")):
        page.goto("/jobs/new", wait_until="commit")
    page.get_by_label("Task", exact=True).select_option("db.backup")
    held.pop().continue_()

    expect(page.get_by_label("database", exact=True)).to_be_visible()

    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_request(re.compile(r"editor.*\.js")):
        page.goto("/jobs/nightly/edit", wait_until="commit")
    page.get_by_label("Timeout").fill("90")
    held.pop().continue_()
    page.get_by_role("button", name="Save changes").click()

    expect(page).to_have_url(re.compile("/jobs/nightly$"))
    assert browser.api("GET", "/jobs/nightly")["timeout"] == 90


def test_what_somebody_else_saved_is_shown_beside_ones_own(page: Page, browser: Browser) -> None:
    browser.given_job("nightly", timeout=60)
    page.goto("/jobs/nightly/edit")
    browser.api("PATCH", "/jobs/nightly", {"timeout": 30})
    page.get_by_label("Timeout").fill("90")
    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_text("Somebody else changed this job")).to_be_visible()
    expect(page.get_by_label("Timeout")).to_have_value("90")


def test_typing_filters_without_losing_the_focus(page: Page, browser: Browser) -> None:
    for name in ("alpha", "beta", "gamma"):
        browser.given_job(name)
    page.goto("/jobs")
    page.get_by_placeholder("name, id, task or tag").press_sequentially("ga", delay=30)

    expect(page.locator("tr[data-id]")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=ga$"))
    expect(page.get_by_placeholder("name, id, task or tag")).to_be_focused()
    page.get_by_placeholder("name, id, task or tag").fill("")
    expect(page.locator("tr[data-id]")).to_have_count(3)


def test_many_jobs_are_paused_and_each_refusal_is_told(page: Page, browser: Browser) -> None:
    for name in ("a", "b", "c"):
        browser.given_job(name)
    page.goto("/jobs")
    height = page.locator("tr[data-id]").first.bounding_box()
    page.get_by_label("Select a", exact=True).check()
    page.get_by_label("Select b", exact=True).check()
    assert page.locator("tr[data-id]").first.bounding_box() == height
    browser.api("DELETE", "/jobs/b")
    page.get_by_role("button", name="Pause…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Pause 2 jobs?")
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()

    expect(page.locator("#result")).to_contain_text("1 paused, 1 refused")
    expect(page.locator("#result")).to_contain_text("there is no job 'b'")
    expect(page.locator('tr[data-id="a"] .switch')).to_have_attribute("aria-checked", "false")


def test_all_that_match_are_run(page: Page, browser: Browser) -> None:
    jobs = [{"id": f"n{n:03d}", "task": "ping", "trigger": {"type": "interval", "hours": 1}} for n in range(60)]
    browser.api("POST", "/jobs/batch", {"jobs": jobs})
    page.goto("/jobs")
    page.locator("[data-all]").check()
    expect(page.locator("[data-chosen]")).to_have_text("50 selected")
    page.get_by_role("button", name="select all 60 that match").click()
    page.get_by_role("button", name="Run now").click()

    expect(page.locator("#result")).to_contain_text("60 queued")


def test_a_job_is_switched_off_in_place(page: Page, browser: Browser) -> None:
    browser.given_job("nightly")
    page.goto("/jobs")
    page.get_by_role("switch", name="nightly fires").click()

    expect(page.get_by_role("switch", name="nightly fires")).to_have_attribute("aria-checked", "false")
    expect(page.get_by_role("switch", name="nightly fires")).to_be_focused()


def test_by_keyboard_alone_a_job_is_paused_until_a_time_and_skipped(page: Page, browser: Browser) -> None:
    browser.given_job("nightly")
    page.goto("/jobs/nightly")
    page.keyboard.press("p")
    expect(page.get_by_role("dialog")).to_contain_text("Pause nightly")
    expect(page.get_by_role("dialog").get_by_role("link", name="Cancel")).to_be_focused()
    page.get_by_label("For", exact=True).select_option("86400")
    page.get_by_label("Reason, shown to whoever wonders").press("Enter")
    expect(page.locator(".banner.paused")).to_contain_text("Paused until Mon 16:12")
    page.keyboard.press("s")

    expect(page.locator(".next-ten .left-out")).to_have_count(1)


def test_a_run_with_other_arguments_is_asked_for_in_a_dialog(page: Page, browser: Browser) -> None:
    browser.given_job("nightly", task="db.backup", kwargs={"database": "orders"})
    page.goto("/jobs/nightly")
    page.get_by_role("link", name="Run with…").click()
    page.get_by_role("dialog").get_by_label("database", exact=True).fill("users")
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()

    expect(page).to_have_url(re.compile("/runs/1$"))
    (run,) = browser.api("GET", "/jobs/nightly/runs")["items"]
    assert run["kwargs"]["database"] == "users"


def test_escape_leaves_the_question_and_the_job_stays(page: Page, browser: Browser) -> None:
    browser.given_job("nightly")
    page.goto("/jobs")
    page.get_by_label("More for nightly").click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete nightly?")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert browser.api("GET", "/jobs/nightly")["id"] == "nightly"


PATHS = ("/jobs", "/jobs?by=tag", "/jobs/nightly", "/jobs/nightly?tab=settings", "/jobs/new?task=db.backup")
ASKING = ("/jobs/nightly/edit", "/jobs/nightly/run", "/jobs/nightly/pause", "/jobs/nightly/delete")


def test_nothing_scrolls_sideways_from_360_to_1920_px(chromium: Any, address: str, browser: Browser) -> None:
    browser.given_job(
        "nightly", tags=["ops"], name="a-name-without-a-space-" * 8, task="db.backup", kwargs={"database": "x" * 300}
    )
    for width in (360, 1920):
        for context in _window(chromium, address, viewport={"width": width, "height": 800}):
            page = context.new_page()
            for path in (*PATHS, *ASKING):
                page.goto(path)
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over == 0, (path, width)


def test_without_scripts_a_job_is_made_and_the_list_filtered(chromium: Any, address: str, browser: Browser) -> None:
    browser.given_job("other")
    for context in _window(chromium, address, java_script_enabled=False):
        page = context.new_page()
        page.goto("/jobs/new?task=ping")
        page.get_by_text("Every…").click()
        page.get_by_label("minutes", exact=True).fill("15")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("[data-reads]")).to_contain_text("Every 15 minutes")
        page.get_by_label("Id", exact=True).fill("quarterly")
        page.get_by_role("button", name="Create job").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("quarterly")
        page.goto("/jobs")
        page.get_by_placeholder("name, id, task or tag").fill("quar")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("tr[data-id]")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_of_jobs_is_hard_to_use_for_anybody(
    chromium: Any, address: str, browser: Browser, ctx: Context, theme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    browser.given_job("nightly", tags=["ops"], task="db.backup", kwargs={"database": "x"})
    browser.given_job("held")
    browser.api("POST", "/jobs/held/pause", {"reason": "moves"})
    browser.api("POST", "/jobs/nightly/run", {})
    for context in _window(chromium, address, color_scheme=theme):
        page = context.new_page()
        for path in (*PATHS, *ASKING, "/jobs/held"):
            page.goto(path)
            expect(page.locator("[aria-busy=true]")).to_have_count(0)  # what is out of date is faint
            found = axe.run(page).response["violations"]
            assert [(fault["id"], [node["target"] for node in fault["nodes"][:3]]) for fault in found] == [], path
