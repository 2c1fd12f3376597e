"""The page of one job, and what is done with it without a script."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from scheduler_app.services import collisions
from scheduler_app.services.context import Context
from scheduler_app.store.tables import jobs
from tests.dashboard.conftest import Browser, Visitor, text_of

BERLIN = "Europe/Berlin"
SUNDAYS = {"type": "cron", "expression": "30 2 * * 0", "timezone": BERLIN}


def test_the_page_tells_state_schedule_task_policies_and_the_next_ten(browser: Browser) -> None:
    browser.given_job("nightly", trigger=SUNDAYS, max_retries=2, timeout=1800, tags=["ops"])

    said = text_of(browser.get("/jobs/nightly"))

    assert "active, has not run yet" in said
    assert "at 02:30, only on Sunday 30 2 * * 0" in said
    assert "next Sun 29 Nov" not in said
    assert "29 Nov 02:30 , in 6 d 10 h" in said
    assert "ping at_least_once, 2 retries, timeout 30 m" in said
    assert said.count("02:30") >= 10


def test_a_day_is_named_once_and_a_gap_of_the_clock_is_marked(browser: Browser, clock: object) -> None:
    clock.moment = clock.moment.replace(year=2027, month=3, day=20)  # type: ignore[attr-defined]
    browser.given_job("nightly", trigger={"type": "cron", "expression": "30 2 * * *", "timezone": BERLIN})

    said = text_of(browser.get("/jobs/nightly"))

    assert "Sun 28 Mar 03:00" in said
    assert "02:30 does not exist" in said


def test_firings_that_will_be_skipped_are_crossed_out(browser: Browser) -> None:
    browser.given_job("nightly")

    browser.post("/jobs/nightly/skip")

    page = browser.get("/jobs/nightly")
    assert page.count('class="left-out"') == 1
    assert "will be skipped" in page
    assert "Skip none" in page
    browser.post("/jobs/nightly/skip", {"count": "0"})
    assert "will be skipped" not in browser.get("/jobs/nightly")


def test_a_job_is_paused_until_a_time_of_the_browsers_zone(browser: Browser) -> None:
    browser.given_job("nightly")

    browser.post("/jobs/nightly/pause", {"until": "2026-11-24T08:00", "reason": "the vendor moves hosts"})

    assert browser.api("GET", "/jobs/nightly")["paused"]["until"] == "2026-11-24T07:00:00Z"
    said = text_of(browser.get("/jobs/nightly"))
    assert "Paused until Tue 08:00 in 1 d 15 h : “ the vendor moves hosts ”" in said


@pytest.mark.parametrize("until", ["2020-01-01T00:00", "soon", "9999-12-31T23:59"])
def test_a_pause_until_no_time_to_come_is_told_at_the_form(browser: Browser, until: str) -> None:
    browser.given_job("nightly")

    answer = browser.client.post("/jobs/nightly/pause", data={"until": until}, headers=browser._sent())

    assert answer.status_code in (303, 422)
    if answer.status_code == 422:
        assert 'class="wrong"' in answer.text
        assert browser.api("GET", "/jobs/nightly")["paused"] is None


def test_a_run_with_other_arguments_leaves_those_of_the_job(browser: Browser) -> None:
    browser.given_job("nightly", task="db.backup", kwargs={"database": "orders"})

    asked = browser.get("/jobs/nightly/run")
    said = {"own_arguments": "yes", "/kwargs/database:text": "users", "/kwargs/keep_days:integer": "7"}
    browser.post("/jobs/nightly/run", said)

    assert 'value="orders"' in asked
    (run,) = browser.api("GET", "/jobs/nightly/runs")["items"]
    assert run["kwargs"] == {"database": "users", "keep_days": 7}
    assert browser.api("GET", "/jobs/nightly")["kwargs"] == {"database": "orders"}


def test_a_wrong_argument_of_a_run_is_told_at_its_field_and_what_was_typed_stays(browser: Browser) -> None:
    browser.given_job("nightly", task="db.backup", kwargs={"database": "orders"})

    said = {"own_arguments": "yes", "/kwargs/database:text": "users", "/kwargs/keep_days:integer": "many"}
    page = browser.post("/jobs/nightly/run", said, status=422).text

    assert re.search(r'value="many"[^>]*aria-invalid="true"', page)
    assert "valid integer" in text_of(page)
    assert browser.api("GET", "/jobs/nightly/runs")["items"] == []


def test_deleting_asks_first_and_names_what_follows(browser: Browser) -> None:
    browser.given_job("nightly")

    asked = browser.get("/jobs/nightly/delete")
    browser.post("/jobs/nightly/delete")

    assert "Delete nightly?" in asked
    assert re.search(r"data-cancel autofocus>Cancel", asked)
    browser.get("/jobs/nightly", status=404)


def test_a_broken_job_tells_why_and_what_would_mend_it(browser: Browser, ctx: Context) -> None:
    browser.given_job("nightly")
    broken = jobs.update().values(state="broken", reason="the trigger needs too many steps")
    ctx.database.write(lambda tx: tx.execute(broken.where(jobs.c.id == "nightly")))

    said = text_of(browser.get("/jobs/nightly"))

    assert "Broken: the trigger needs too many steps Give it another trigger" in said


def test_jobs_that_come_one_after_another_lead_to_each_other(browser: Browser) -> None:
    browser.given_job("first")
    browser.given_job("second", trigger={"type": "after", "job": "first", "on": "success"})

    assert "is followed by second" in text_of(browser.get("/jobs/first?tab=links"))
    assert "comes after first , on success" in text_of(browser.get("/jobs/second?tab=links"))


def test_who_changed_what_of_a_job_is_told_field_by_field(browser: Browser) -> None:
    browser.given_job("nightly")
    browser.as_("operator").post("/jobs/nightly/pause", {"reason": "<b>moves</b>"})

    said = text_of(browser.get("/jobs/nightly?tab=changes"))

    assert "operator paused" in said
    assert "state active → paused reason <b>moves</b>" in said
    assert "admin created" in said


def test_a_job_is_handed_out_as_the_json_that_adds_it_again(browser: Browser) -> None:
    browser.given_job("nightly", trigger=SUNDAYS, max_retries=3, tags=["ops"])

    answer = browser.client.get("/jobs/nightly/export", headers=browser._sent())
    browser.post("/jobs/nightly/delete")
    again = browser.api("POST", "/jobs", answer.get_json())

    assert answer.headers["Content-Disposition"] == 'attachment; filename="nightly.json"'
    assert (again["trigger"], again["max_retries"], again["tags"]) == (SUNDAYS, 3, ["ops"])


def test_the_runs_of_a_job_are_paged(browser: Browser) -> None:
    browser.given_job("nightly")
    for _ in range(25):
        browser.api("POST", "/jobs/nightly/run", {})

    first = browser.get("/jobs/nightly")
    older = re.search(r'href="([^"]*after=[0-9]+)#tabs">Next', first)
    assert older is not None

    assert len(re.findall('<td><span class="state', first)) == 20
    assert len(re.findall('<td><span class="state', browser.get(older[1]))) == 5


def test_each_run_says_on_which_node_it_ran(visit: Callable[[str], Visitor]) -> None:
    said = text_of(visit("full").get("/jobs/sync-products-us"))
    assert "app-1 schedule" in said
    assert "app-2 schedule" in said


def test_a_job_that_there_is_not_is_told_as_a_page(browser: Browser) -> None:
    assert "there is no job &#39;nightly&#39;" in browser.get("/jobs/nightly", status=404)


def test_reading_a_page_writes_nothing(browser: Browser, ctx: Context) -> None:
    browser.given_job("nightly")
    with ctx.database.read() as tx:
        before = tx.execute(sa.select(jobs)).all()

    browser.get("/jobs")
    browser.get("/jobs/nightly")

    with ctx.database.read() as tx:
        assert tx.execute(sa.select(jobs)).all() == before


def test_where_other_jobs_fire_in_the_same_second_they_are_counted(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.given_job("nightly", trigger={"type": "cron", "expression": "0 */12 * * *", "timezone": BERLIN})
    for number in range(3):
        trigger = {"type": "cron", "expression": "0 0 * * *", "timezone": BERLIN}
        browser.given_job(f"midnight-{number}", trigger=trigger)
    browser.given_job("later", trigger={"type": "cron", "expression": "1 0 * * *", "timezone": BERLIN})
    browser.given_job("next-year", trigger={"type": "date", "run_date": "2027-06-01T00:00:00+02:00"})

    def told(page: str) -> list[str]:
        rows = re.findall(r"<tr.*?</tr>", page.split('class="next-ten"')[1].split("</table>")[0], re.DOTALL)
        return [re.sub(r".*?(\d+\+? others?)?$", r"\1", text_of(row).strip()) for row in rows]

    assert told(browser.get("/jobs/nightly")) == ["3 others", ""] * 5
    assert told(browser.get("/jobs/midnight-1"))[:2] == ["3 others", "3 others"]
    assert told(browser.get("/jobs/later")) == [""] * 10
    monkeypatch.setattr(collisions, "MOST_JOBS", 2)
    assert told(browser.get("/jobs/nightly"))[0] in ("1+ others", "2+ others")
