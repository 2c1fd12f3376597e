"""Searches that somebody keeps: filters of Jobs and Runs under a name, each person their own."""

from urllib.parse import urlencode

from tests.dashboard.conftest import Browser, assert_no_inline, text_of

HOSTILE = "<script>alert(1)</script>"


def test_a_search_is_kept_shown_and_forgotten_by_who_made_it(browser: Browser) -> None:
    browser.given_job("nightly")
    query = urlencode({"q": HOSTILE, "sort": "-usual"})
    assert "Save this search" not in browser.get("/jobs")
    page = browser.get(f"/jobs?{query}")
    assert "Save this search" in page

    kept = browser.post("/searches", {"page": "jobs", "name": HOSTILE, "query": query})
    assert kept.headers["Location"] == f"/jobs?{query}"
    page = browser.get("/jobs")
    assert_no_inline(page)
    assert HOSTILE in text_of(page) and HOSTILE not in page
    assert 'href="/jobs?q=' in page
    assert 'aria-current="true"><bdi>&lt;script' in browser.get(f"/jobs?{query}")
    assert HOSTILE not in text_of(browser.get("/runs"))
    assert HOSTILE not in text_of(browser.as_("viewer").get("/jobs"))

    for name, said in (("", query), ("x" * 61, query), ("empty", "")):
        browser.post("/searches", {"page": "jobs", "name": name, "query": said}, status=422)
    browser.post("/searches", {"page": "keys", "name": "no", "query": query}, status=422)
    browser.as_("viewer").post("/searches", {"page": "runs", "name": "mine", "query": "state=failed"})
    assert "mine" in text_of(browser.as_("viewer").get("/runs"))

    browser.post("/searches/forget", {"page": "jobs", "name": HOSTILE})
    assert HOSTILE not in text_of(browser.get("/jobs"))
    for number in range(50):
        browser.post("/searches", {"page": "runs", "name": f"n{number}", "query": "state=failed"})
    browser.post("/searches", {"page": "runs", "name": "one more", "query": "state=lost"}, status=422)
