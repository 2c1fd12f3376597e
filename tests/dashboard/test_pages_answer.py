"""Every page answers for every role and store, escapes what people wrote, and asks for nothing that is forbidden."""

import re
from collections.abc import Callable

import pytest

from scheduler_app.dashboard.assets import COMPRESSED
from scheduler_app.services.scheduler import pause_scheduler
from tests.dashboard.conftest import Visitor
from tests.dashboard.world import HOSTILE

Visit = Callable[[str], Visitor]
PAGES = ("/", "/scheduler", "/week", "/week?measure=busy")
HEAVY = ("/jobs", "/runs", "/timeline", "/jobs/sync-ledger", "/jobs/sync-ledger/edit")
FAR = (
    *(
        "/week?hour=0001-01-01T00:00:00%2B23:59",
        "/week?hour=9999-12-31T23:59:59-23:59",
        "/runs?to=0001-01-01T00:00:00Z",
    ),
    *("/runs?from=9999-12-31T23:59:59Z", "/timeline?at=9999-12-31T00:00", f"/jobs/sync-ledger?after={'9' * 19}"),
)
MOST_BYTES = 200_000


@pytest.mark.parametrize("store", ["full", "empty", "hostile"])
def test_the_pages_answer_within_their_policy(visit: Visit, store: str) -> None:
    visitor = visit(store)
    for path in PAGES:
        answer = visitor.open("GET", path)

        assert answer.status_code == 200, answer.text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|<style|<script(?![^>]*\ssrc=)", answer.text)
        assert len(answer.data) < MOST_BYTES


def test_the_longest_pages_weigh_less_than_two_hundred_kilobytes(visit: Visit) -> None:
    visitor = visit("full")

    sizes = {path: len(visitor.get(path)) + sum(map(len, COMPRESSED.values())) for path in HEAVY}

    assert all(size < MOST_BYTES for size in sizes.values()), sizes


def test_times_that_no_calendar_has_room_for_are_no_fault_of_ours(visit: Visit) -> None:
    visitor = visit("full")

    statuses = {path: visitor.open("GET", path).status_code for path in FAR}

    assert set(statuses.values()) <= {200, 400, 422}, statuses


def test_what_people_wrote_appears_as_text(visit: Visit) -> None:
    visitor = visit("hostile")

    pages = "".join(visitor.get(path) for path in PAGES)

    assert not re.search(r"<(script|img)[^>]*(alert|onerror)", pages)
    assert "&lt;script&gt;alert" in pages and "{{ 7 * 7 }}" in pages


def test_hostile_names_are_shown_whole_where_they_need_somebody(visit: Visit) -> None:
    page = visit("hostile").get("/")

    assert "&lt;script&gt;alert" in page
    assert HOSTILE[2][1] in page


def test_nobody_sees_a_page_without_a_key(visit: Visit) -> None:
    visitor = visit("full")
    for path in PAGES:
        answer = visitor.client.get(path, headers={"Accept": "text/html"})

        assert answer.status_code in (302, 303, 401)
        assert "import-bank-statements" not in answer.text


def test_a_viewer_is_shown_no_button_that_would_be_refused(visit: Visit) -> None:
    visitor = visit("full").as_role("viewer")

    scheduler, overview = visitor.get("/scheduler"), visitor.get("/")

    assert "Pause all firing" not in scheduler
    assert "New job" not in overview
    assert re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', scheduler + overview) == ["/preferences"] * 4


def test_a_viewer_who_pauses_all_the_same_is_refused_as_a_page(visit: Visit) -> None:
    answer = visit("full").as_role("viewer").open("POST", "/scheduler/pause", reason="because")

    assert answer.status_code == 403
    assert "needs the role operator" in answer.text
    assert answer.content_type.startswith("text/html")


def test_an_operator_pauses_everything_for_a_reason_and_resumes_it(visit: Visit) -> None:
    operator = visit("full").as_role("operator")

    paused = operator.open("POST", "/scheduler/pause", reason="the <b>database</b> moves")
    banner = operator.get("/week")
    verdict = operator.get("/scheduler")
    resumed = operator.open("POST", "/scheduler/resume")

    assert (paused.status_code, resumed.status_code) == (303, 303)
    assert (
        "Firing is paused by <bdi>operator</bdi> since" in banner and "the &lt;b&gt;database&lt;/b&gt; moves" in banner
    )
    assert "Firing is paused. Running work goes on." in verdict and "Resume firing" in verdict
    assert "Firing is paused" not in operator.get("/week")


def test_a_pause_of_everything_without_a_reason_is_refused(visit: Visit) -> None:
    answer = visit("full").open("POST", "/scheduler/pause", reason="  ")

    assert answer.status_code == 422
    assert "a pause of everything needs a reason" in answer.text


def test_a_pause_by_the_api_is_told_on_every_page(visit: Visit) -> None:
    visitor = visit("full")
    ctx = visitor.client.application.extensions["scheduler_app.pages"]

    pause_scheduler(reason=None, ctx=ctx)

    assert "Firing is paused by <bdi>code</bdi> since" in visitor.get("/")


def test_an_empty_store_shows_three_ways_to_a_job(visit: Visit) -> None:
    page = visit("empty").get("/")

    assert "Nothing is scheduled yet." in page
    assert page.index("demo.count") < page.index("Bring your crontab") < page.index("Or from code")


def test_a_demo_task_runs_at_a_click(visit: Visit) -> None:
    visitor = visit("empty")

    answer = visitor.open("POST", "/first/run", task="demo.count")

    assert answer.status_code == 303
    assert "Nothing is scheduled yet." not in visitor.get("/")


def test_the_zone_of_the_browser_is_the_zone_of_the_times(visit: Visit) -> None:
    visitor = visit("full")

    berlin = visitor.get("/")
    visitor.client.delete_cookie("scheduler_zone")
    utc = visitor.get("/")

    assert "data-clock>16:12:08<" in berlin and "gone 14:22" in berlin
    assert "data-clock>15:12:08<" in utc and "gone 13:22" in utc
