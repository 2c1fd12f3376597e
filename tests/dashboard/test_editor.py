"""New and Edit without a script: the form is the body of the API, and its faults stand at their fields."""

import html
import re
from typing import Any

import pytest

from tests.dashboard.conftest import Browser, text_of

ZONE = "once,every,cron,calendar/trigger/timezone:text"
CRON = {
    "/task:text": "ping",
    "/id:text": "nightly",
    "when": "cron",
    "cron/trigger/type:text": "cron",
    "cron/trigger/expression:text": "30 2 * * 0",
    ZONE: "Europe/Berlin",
}


def form_of(page: str) -> dict[str, Any]:
    """What the form would send as it stands."""
    form = page[page.index('<form id="editor"') : page.rindex("</form>")]
    said: dict[str, Any] = {}
    for mark in re.findall(r"<input[^>]*>", form):
        found = dict(re.findall(r'([a-z-]+)="([^"]*)"', mark))
        is_ticked = found.get("type") not in ("checkbox", "radio") or " checked" in mark
        if is_ticked and "name" in found:
            said.setdefault(found["name"], []).append(html.unescape(found.get("value", "on")))
    for name, body in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)</textarea>', form):
        said[name] = html.unescape(body)
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', body) or re.search(
            r'<option(?: value="([^"]*)")?>([^<]*)', body
        )
        if chosen:
            said[name] = html.unescape(chosen[2] if chosen[1] is None else chosen[1])
    return said


def test_a_job_is_made_by_a_form(browser: Browser) -> None:
    page = browser.get("/jobs/new?task=db.backup")
    said = form_of(page) | CRON | {"/task:text": "db.backup", "/kwargs/database:text": "orders"}
    said |= {"/kwargs/keep_days:integer": "14", "/kwargs/tables:lines": "a\r\nb", "/max_retries:integer": "3"}

    answer = browser.post("/jobs/new", said | {"/tags:words": "ops, db", "do": "create"})

    assert answer.headers["Location"] == "/jobs/nightly"
    job = browser.api("GET", "/jobs/nightly")
    assert job["kwargs"] == {"database": "orders", "keep_days": 14, "verify": True, "tables": ["a", "b"]}
    assert job["trigger"] == {"type": "cron", "expression": "30 2 * * 0", "timezone": "Europe/Berlin"}
    assert (job["max_retries"], job["tags"]) == (3, ["ops", "db"])


@pytest.mark.parametrize(
    ("when", "said", "trigger"),
    [
        ("now", {}, None),
        (
            "once",
            {"once/trigger/run_date:text": "2026-12-01T09:00", ZONE: "Europe/Berlin"},
            {"type": "date", "run_date": "2026-12-01T09:00:00+01:00", "timezone": "Europe/Berlin"},
        ),
        (
            "every",
            {"every/trigger/minutes:number": "15", ZONE: "UTC"},
            {"type": "interval", "minutes": 15, "start_date": "2026-11-22T15:27:08Z", "timezone": "UTC"},
        ),
        (
            "calendar",
            {"calendar/trigger/months:integer": "1", "calendar/trigger/hour:integer": "6", ZONE: "Europe/Berlin"},
            {
                "type": "calendarinterval",
                "months": 1,
                "hour": 6,
                "start_date": "2026-11-22",
                "timezone": "Europe/Berlin",
            },
        ),
        (
            "combine",
            {"combine/trigger:json": '{"type": "cron", "day": "last", "hour": 18, "timezone": "UTC"}'},
            {"type": "cron", "day": "last", "hour": "18", "timezone": "UTC"},
        ),
    ],
)
def test_each_tab_makes_its_trigger(
    browser: Browser, when: str, said: dict[str, str], trigger: dict[str, Any] | None
) -> None:
    form = form_of(browser.get("/jobs/new")) | {"/task:text": "ping", "/id:text": "a", "when": when} | said

    browser.post("/jobs/new", form | {"do": "create"})

    assert _plain(browser.api("GET", "/jobs/a")["trigger"]) == _plain(trigger)


def _plain(trigger: dict[str, Any] | None) -> dict[str, str] | None:
    return None if trigger is None else {name: str(value) for name, value in trigger.items()}


def test_every_wrong_field_is_told_at_itself_and_in_the_summary_and_what_was_typed_stays(browser: Browser) -> None:
    said = CRON | {"/id:text": "no spaces", "/timeout:number": "soon", "/max_retries:integer": "-1"}

    page = browser.post("/jobs/new", said | {"do": "create"}, status=422).text

    assert "3 things are wrong" in page
    for name, value in (("f-id", "no spaces"), ("f-timeout", "soon"), ("f-max_retries", "-1")):
        assert re.search(rf'id="{name}"[^>]*value="{value}"[^>]*aria-invalid="true"', page), name
        assert f'href="#{name}"' in page


def test_a_wrong_trigger_is_told_at_the_part_that_is_wrong(browser: Browser) -> None:
    page = browser.post("/jobs/new", CRON | {"cron/trigger/expression:text": "61 2 * * 0"}, status=422).text

    assert re.search(r'id="f-trigger-expression"[^>]*aria-invalid="true"', page)
    assert "61" in page


def test_an_argument_that_is_no_json_is_told_at_its_field(browser: Browser) -> None:
    said = CRON | {"/task:text": "db.backup", "/kwargs/database:text": "x", "/kwargs/options:json": "{broken"}

    page = browser.post("/jobs/new", said | {"do": "create"}, status=422).text

    assert "must be JSON" in page
    assert "{broken" in page


def test_an_id_that_is_taken_is_told_at_the_id(browser: Browser) -> None:
    browser.given_job("nightly")

    page = browser.post("/jobs/new", CRON | {"do": "create"}, status=409).text

    assert "a job with id &#39;nightly&#39; exists" in page


def test_preview_shows_words_times_and_the_clock_change_and_saves_nothing(browser: Browser) -> None:
    page = browser.post("/jobs/new", CRON | {"do": "preview"}, status=200).text

    said = text_of(page)
    assert "At 02:30, only on Sunday (Europe/Berlin)" in said
    assert "Sun 29 Nov 2026 02:30 CET" in said
    assert "2027-03-28 02:30 does not exist in Europe/Berlin" in said
    assert browser.api("GET", "/jobs")["items"] == []


def test_the_form_of_a_job_sent_as_it_is_changes_nothing(browser: Browser) -> None:
    for name, trigger in {
        "cron": {"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Europe/Berlin", "jitter": 10},
        "interval": {"type": "interval", "minutes": 5},
        "once": {"type": "date", "run_date": "2026-12-01T09:00:00+01:00"},
        "month": {"type": "calendarinterval", "months": 1, "hour": 9, "timezone": "Europe/Berlin"},
        "either": {"type": "or", "triggers": [{"type": "cron", "hour": 9}, {"type": "cron", "hour": 17}]},
        "after": {"type": "after", "job": "cron", "on": "failure"},
        "now": None,
    }.items():
        kwargs = {"database": "x", "options": {"a": 1}, "verify": False, "tables": ["a", "b"]}
        browser.given_job(name, task="db.backup", kwargs=kwargs, trigger=trigger, timeout=2.5, tags=["a"])
        before = browser.api("GET", f"/jobs/{name}")

        said = form_of(browser.get(f"/jobs/{name}/edit"))
        browser.post(f"/jobs/{name}/edit", said | {"do": "save"})

        after = browser.api("GET", f"/jobs/{name}")
        left = {"version", "updated_at"}
        assert {key: after[key] for key in after if key not in left} == {
            key: before[key] for key in before if key not in left
        }


def test_an_emptied_field_goes_back_to_its_default(browser: Browser) -> None:
    browser.given_job("a", timeout=60, max_retries=3)
    said = form_of(browser.get("/jobs/a/edit")) | {"/timeout:number": "", "/max_retries:integer": ""}

    browser.post("/jobs/a/edit", said | {"do": "save"})

    job = browser.api("GET", "/jobs/a")
    assert (job["timeout"], job["max_retries"]) == (None, 0)


def test_what_somebody_else_changed_meanwhile_is_shown_beside_ones_own(browser: Browser) -> None:
    browser.given_job("a", timeout=60)
    said = form_of(browser.get("/jobs/a/edit")) | {"/timeout:number": "90", "do": "save"}
    browser.api("PATCH", "/jobs/a", {"timeout": 30})

    page = browser.post("/jobs/a/edit", said, status=412).text

    assert "Somebody else changed this job while you did." in text_of(page)
    assert re.search(r"timeout</th><td><pre>30</pre></td><td><pre>90</pre>", page)
    assert browser.api("GET", "/jobs/a")["timeout"] == 30
    browser.post("/jobs/a/edit", form_of(page) | {"do": "save"})
    assert browser.api("GET", "/jobs/a")["timeout"] == 90


def test_a_duplicate_is_filled_in_but_for_the_id(browser: Browser) -> None:
    browser.given_job("a", task="db.backup", kwargs={"database": "orders"}, timeout=60)

    said = form_of(browser.get("/jobs/new?like=a")) | {"/id:text": "b", "do": "create"}
    browser.post("/jobs/new", said)

    job = browser.api("GET", "/jobs/b")
    assert (job["kwargs"]["database"], job["timeout"]) == ("orders", 60)


def test_create_and_run_now_does_both(browser: Browser) -> None:
    browser.post("/jobs/new", CRON | {"do": "create-and-run"})

    assert [run["origin"] for run in browser.api("GET", "/runs")["items"]] == ["manual"]


def test_the_same_is_told_for_a_program(browser: Browser) -> None:
    page = browser.post("/jobs/new", CRON | {"do": "preview", "/name:text": "it's <b>"}, status=200).text

    said = html.unescape(page)
    assert "curl -X POST http://localhost/api/v1/jobs" in said
    assert "it'\\''s <b>" in said
    assert "<b>" not in page[page.index('<form id="editor"') :]
