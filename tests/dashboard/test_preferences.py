"""What a browser without scripts prefers: kept in its cookies, and it stays on the page that it was on."""

import re

import pytest

from tests.dashboard.conftest import Browser


def test_a_theme_and_a_zone_are_kept_and_lead_back_to_the_page(browser: Browser) -> None:
    page = browser.get("/jobs?look=paused")
    back = re.search(r'name="back" value="([^"]+)"', page)
    assert back is not None

    said = {"scheduler_theme": "dark", "scheduler_zone": "Asia/Tokyo", "back": back[1]}
    answer = browser.post("/preferences", said)

    assert answer.location == "/jobs?look=paused"
    kept = answer.headers.getlist("Set-Cookie")
    assert [cookie.partition(";")[0] for cookie in kept] == ["scheduler_theme=dark", "scheduler_zone=Asia/Tokyo"]


@pytest.mark.parametrize("back", ["//elsewhere.example/", "https://elsewhere.example/", "/sign-out", "/nowhere", ""])
def test_they_lead_to_no_other_site_and_to_no_page_that_there_is_not(browser: Browser, back: str) -> None:
    assert browser.post("/preferences", {"scheduler_theme": "neon", "back": back}).location == "/"
