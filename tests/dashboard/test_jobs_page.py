"""The page of jobs: which it lists, in which order, and what is done with many of them without a script."""

import re
from collections.abc import Callable

import pytest

from scheduler_app.store import orders
from scheduler_app.store.jobs import JobFilter
from tests.dashboard.conftest import Browser, Visitor, assert_no_inline, text_of

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def titles(page: str) -> list[str]:
    return re.findall(r'<a class="name"[^>]*><bdi>([^<]*)</bdi></a>', page)


def test_a_page_of_jobs_needs_nothing_that_a_strict_policy_forbids(each_page: Callable[[], list[str]]) -> None:
    for page in each_page():
        assert_no_inline(page)


def test_where_there_is_no_job_the_page_says_how_to_make_the_first(browser: Browser) -> None:
    page = browser.get("/jobs")

    assert "There is no job yet." in page
    assert "Make the first job" in page
    assert "Make the first job" not in browser.as_("viewer").get("/jobs")


def test_a_row_tells_the_schedule_in_words_and_as_written_and_when_it_fires_next(browser: Browser) -> None:
    trigger = {"type": "cron", "expression": "0 6 * * *", "timezone": "America/New_York"}
    browser.given_job("certificate-check", trigger=trigger)

    said = text_of(browser.get("/jobs"))

    assert "every day at 06:00 America/New_York 0 6 * * *" in said
    assert "Mon 12:00 in 19 h 47 m" in said


def test_a_job_that_nobody_named_is_called_by_its_id_and_another_by_its_name(browser: Browser) -> None:
    browser.given_job("a-job")
    browser.given_job("b-job", name="Nightly things")

    assert titles(browser.get("/jobs")) == ["a-job", "Nightly things"]


def test_pages_of_fifty_lead_forth_and_back(browser: Browser) -> None:
    jobs = [{"id": f"job-{n:03d}", "task": "ping", "trigger": {"type": "interval", "hours": 1}} for n in range(120)]
    browser.api("POST", "/jobs/batch", {"jobs": jobs})

    first = browser.get("/jobs")
    second = browser.get(_href(first, "Next →"))
    third = browser.get(_href(second, "Next →"))

    assert [len(titles(page)) for page in (first, second, third)] == [50, 50, 20]
    assert "Next →" not in third
    assert "← Previous" not in first
    assert titles(browser.get(_href(third, "← Previous"))) == titles(second)
    assert titles(browser.get(_href(second, "← Previous"))) == titles(first)


def test_by_next_time_the_jobs_without_one_come_last_and_pages_lead_forth_and_back(browser: Browser) -> None:
    jobs = [{"id": f"j{n:02d}", "task": "ping", "trigger": {"type": "interval", "hours": 99 - n}} for n in range(60)]
    browser.api("POST", "/jobs/batch", {"jobs": jobs})
    browser.api("POST", "/jobs/actions", {"action": "pause", "ids": [f"j{n:02d}" for n in range(0, 60, 4)]})

    first = browser.get("/jobs?sort=next_run_time")
    second = browser.get(_href(first, "Next →"))

    timed = [f"j{n:02d}" for n in range(59, -1, -1) if n % 4]
    assert titles(first) + titles(second) == timed + [f"j{n:02d}" for n in range(0, 60, 4)]
    assert titles(browser.get(_href(second, "← Previous"))) == titles(first)


def test_where_there_are_very_many_jobs_only_beginnings_are_looked_for(browser: Browser, monkeypatch) -> None:
    monkeypatch.setattr("scheduler_app.services.searching.LOOKED_THROUGH", 1)
    browser.given_job("alpha", name="Beta")
    browser.given_job("gamma", tags=["beta-tag"])

    page = browser.get("/jobs?q=Bet")

    assert titles(page) == ["alpha"] or titles(page) == ["Beta"]
    assert 'placeholder="name, id, task, tag begins with"' in page
    assert titles(browser.get("/jobs?q=beta")) == ["gamma"]
    assert titles(browser.get("/jobs?q=eta")) == []
    monkeypatch.setattr("scheduler_app.store.searching.MOST", 1)
    assert "more begin so than are found" in text_of(browser.get("/jobs?q=ping"))


def test_by_tag_a_job_stands_under_its_first_tag_and_pages_go_on_inside_a_tag(browser: Browser) -> None:
    interval = {"type": "interval", "hours": 1}
    jobs = [{"id": f"a-{n:03d}", "task": "ping", "tags": ["ops", "web"], "trigger": interval} for n in range(60)]
    jobs += [{"id": "b", "task": "ping", "tags": ["web"], "trigger": interval}]
    jobs += [{"id": "c", "task": "ping", "trigger": interval}]
    browser.api("POST", "/jobs/batch", {"jobs": jobs})

    first = browser.get("/jobs?by=tag")
    second = browser.get(_href(first, "Next →"))

    assert re.findall(r'data-group="([^"]*)"', first) == ["ops"]
    assert "60 jobs" in first
    assert re.findall(r'data-group="([^"]*)"', second) == ["ops", "web", ""]
    assert titles(second) == [*(f"a-{n:03d}" for n in range(50, 60)), "b", "c"]
    assert titles(browser.get(_href(second, "← Previous"))) == titles(first)


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("q=im", ["import"]),
        ("tag=ops", ["backup", "held"]),
        ("look=paused", ["held"]),
        ("look=paused&q=b", []),
        ("sort=next_run_time", ["import", "backup", "held"]),
        ("look=nonsense&sort=nonsense&after=nonsense", ["backup", "held", "import"]),
    ],
)
def test_the_address_says_which_jobs_are_listed(browser: Browser, query: str, listed: list[str]) -> None:
    browser.given_job("backup", tags=["ops"], trigger={"type": "interval", "hours": 2})
    browser.given_job("held", tags=["ops"])
    browser.given_job("import", trigger={"type": "interval", "minutes": 1})
    browser.api("POST", "/jobs/held/pause", {})

    assert titles(browser.get(f"/jobs?{query}")) == listed


def test_an_empty_result_says_which_filter_and_offers_to_clear_it(browser: Browser) -> None:
    browser.given_job("backup")

    page = browser.get("/jobs?q=zzz&tag=ops")

    assert "with the tag “ops” with name, id, task or tag like “zzz”." in text_of(page)
    assert "Show all jobs" in page


def test_a_job_is_switched_off_and_on_by_a_button_that_posts(browser: Browser) -> None:
    browser.given_job("backup")

    answer = browser.post("/jobs/backup/pause", {"back": "/jobs?q=b"})

    assert answer.headers["Location"] == "/jobs?q=b"
    assert 'aria-checked="false"' in browser.get("/jobs")
    browser.post("/jobs/backup/resume")
    assert 'aria-checked="true"' in browser.get("/jobs")


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_a_form_leads_back_to_a_page_of_ours_only(browser: Browser, back: str) -> None:
    browser.given_job("backup")

    assert browser.post("/jobs/backup/resume", {"back": back}).headers["Location"] == "/"
    assert browser.post("/jobs/backup/resume").headers["Location"] == "/jobs/backup"


def test_many_jobs_are_paused_after_a_question(browser: Browser) -> None:
    for name in ("a", "b"):
        browser.given_job(name)

    asked = browser.post("/jobs/actions", {"do": "pause", "id": ["a", "b"]}, status=200).text
    done = browser.post("/jobs/actions", {"do": "pause", "id": ["a", "b"], "sure": "yes", "reason": "move"})

    assert "Pause 2 jobs?" in asked
    assert browser.api("GET", "/jobs/a")["paused"]["reason"] == "move"
    assert "2 paused" in browser.get(done.headers["Location"])


def test_of_many_jobs_each_refusal_is_told_with_its_reason(browser: Browser) -> None:
    browser.given_job("a")

    told = text_of(browser.post("/jobs/actions", {"do": "resume", "id": ["a", "gone"]}, status=200).text)

    assert "1 resumed, 1 refused" in told
    assert "gone there is no job 'gone'" in told


def test_all_that_fit_a_filter_are_acted_on(browser: Browser) -> None:
    for name in ("a1", "a2", "b"):
        browser.given_job(name)

    browser.post("/jobs/actions", {"do": "run", "matching": "yes", "q": "a"})

    assert [run["job_id"] for run in browser.api("GET", "/runs")["items"]] == ["a2", "a1"]


def test_a_tag_is_given_to_many_and_taken_away_and_their_others_stay(browser: Browser) -> None:
    browser.given_job("a", tags=["x"])
    browser.given_job("b")

    browser.post("/jobs/actions", {"do": "tag", "id": ["a", "b"], "sure": "yes", "word": "new"})
    assert [browser.api("GET", f"/jobs/{name}")["tags"] for name in "ab"] == [["x", "new"], ["new"]]
    browser.post("/jobs/actions", {"do": "untag", "id": ["a"], "sure": "yes", "word": "x"})

    assert browser.api("GET", "/jobs/a")["tags"] == ["new"]


@pytest.mark.parametrize("do", ["delete", "tag"])
def test_what_takes_an_admin_is_refused_to_an_operator(browser: Browser, do: str) -> None:
    browser.given_job("a")

    browser.as_("operator").post("/jobs/actions", {"do": do, "id": "a", "sure": "yes", "word": "x"}, status=403)
    assert browser.api("GET", "/jobs/a")["tags"] == []


def test_a_viewer_is_drawn_no_button_and_refused_each_post(browser: Browser) -> None:
    browser.given_job("a")
    viewer = browser.as_("viewer")

    page = viewer.get("/jobs") + viewer.get("/jobs/a")

    assert 'role="switch"' not in page
    assert 'name="do"' not in page
    assert "Run now" not in page
    assert "New job" not in page
    for path in ("run", "pause", "resume", "skip", "delete", "edit"):
        viewer.post(f"/jobs/a/{path}", status=403)
    for path in ("/jobs/new", "/jobs/a/edit", "/jobs/a/delete", "/jobs/a/run", "/jobs/a/pause"):
        viewer.get(path, status=403)


def test_an_operator_runs_and_pauses_but_is_not_drawn_what_changes_a_job(browser: Browser) -> None:
    browser.given_job("a")
    operator = browser.as_("operator")

    page = operator.get("/jobs/a")

    assert "Run now" in page
    assert "/jobs/a/edit" not in page
    assert "Delete" not in page
    operator.post("/jobs/a/run")
    operator.post("/jobs/a/delete", status=403)


def test_hostile_names_appear_as_text(browser: Browser) -> None:
    browser.given_job("a", name=HOSTILE, tags=[HOSTILE[:60]])
    browser.api("POST", "/jobs/a/pause", {"reason": HOSTILE})
    query = {"q": HOSTILE[:40], "tag": HOSTILE[:60]}

    pages = [browser.get(path) for path in ("/jobs", "/jobs?by=tag", "/jobs/a", "/jobs/a/edit", "/jobs/a?tab=settings")]
    answer = browser.client.get("/jobs", query_string=query, headers=browser._sent())

    for page in [*pages, answer.text]:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert_no_inline(page)
    assert HOSTILE in text_of(pages[0])


def test_a_job_whose_newest_runs_failed_is_failing(visit: Callable[[str], Visitor]) -> None:
    page = visit("full").get("/jobs?look=failing")

    assert titles(page) == ["import-bank-statements"]
    assert re.search(r'class="icon is-failed"', page)


def _href(page: str, told: str) -> str:
    found = re.search(rf'href="([^"]*)">{told}', page)
    assert found is not None, told
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize("order", ["-usual", "usual", "-last_failure", "next_run_time"])
def test_a_list_in_the_order_of_what_its_jobs_do_is_paged_forth_and_back(
    visit: Callable[[str], Visitor], order: str
) -> None:
    visitor, where = visit("full"), JobFilter(sort=order)
    with visitor.database.read() as tx:
        whole = orders.page(tx, where, after=None, limit=100)
        first = orders.page(tx, where, after=None, limit=15)
        second = orders.page(tx, where, after=first[-1][1], limit=15)
        third = orders.page(tx, where, after=second[-1][1], limit=100)
        assert orders.page(tx, where, after=second[0][1], limit=15, backward=True) == first
        assert orders.page(tx, where, after=third[0][1], limit=15, backward=True) == second
    assert first + second + third == whole
    assert len(whole) > 40
