"""Finding, keeping and sorting in a real browser: by typing, by a click, by hand of who has no mouse."""

import pytest

playwright = pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Page, expect  # noqa: E402

from scheduler_app.services.context import Context  # noqa: E402
from scheduler_app.store.tables import runs  # noqa: E402
from tests.dashboard.conftest import Browser  # noqa: E402
from tests.dashboard.test_browser import address, chromium, page, pytestmark, window  # noqa: E402, F401


def test_a_search_is_typed_kept_and_found_again(page: Page, browser: Browser, ctx: Context) -> None:  # noqa: F811
    browser.given_job("nightly", name="Report of the day", tags=["finance"])
    browser.given_job("weekly", tags=["finance", "ops"])
    browser.given_job("other")
    page.goto("/jobs")
    field = page.get_by_label("Words in the name, the id, the task or a tag")
    field.press_sequentially("fin")
    expect(page.locator("tr[data-id]")).to_have_count(2)
    expect(field).to_be_focused()

    page.get_by_text("Save this search").click()
    page.get_by_label("Name of this search").fill("money")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/jobs")
    page.get_by_text("Saved:").locator("..").get_by_role("link", name="money").click()
    expect(page.locator("tr[data-id]")).to_have_count(2)
    expect(field).to_have_value("fin")

    page.keyboard.press("/")
    page.keyboard.type("ops")
    expect(page.get_by_role("option", name="weekly")).to_be_visible()

    run = browser.api("POST", "/jobs/weekly/run", {})
    ended = {"state": "succeeded", "started_at": 1, "finished_at": 9, "attempt": 3, "max_attempts": 3}
    ctx.database.write(lambda tx: tx.execute(runs.update().where(runs.c.id == run["id"]).values(**ended)))
    page.goto("/runs")
    page.get_by_role("link", name="Duration").click()
    expect(page.get_by_text("the longest first, among the newest")).to_be_visible()
    page.goto("/runs?sort=-lateness&state=queued")
    expect(page.get_by_role("heading", name="No run that fits has ended")).to_be_visible()
    page.goto("/week")
    page.get_by_role("link", name="Next week").click()
    expect(page.get_by_text("the seven days from")).to_be_visible()
    page.get_by_role("link", name="Week before").click()
    expect(page.get_by_text("the next seven days")).to_be_visible()
