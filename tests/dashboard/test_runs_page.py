"""The page of all runs: its filters, its bars, its pages, and all of it as CSV."""

import csv
import io
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.dashboard.runs import tame
from scheduler_app.domain.run import RunState
from scheduler_app.store.tables import runs
from tests.dashboard.conftest import Visitor
from tests.dashboard.world import NOW

Visit = Callable[[str], Visitor]
JOB = "import-bank-statements"


def shown(page: str) -> list[int]:
    """The runs that a page lists."""
    return [int(number) for number in re.findall(r'<tr data-id="(\d+)">', page)]


def link(page: str, words: str) -> str:
    found = re.search(rf'href="([^"]+)">[^<]*{words}', page)
    assert found is not None, words
    return found[1].replace("&amp;", "&")


def counted(page: str) -> int:
    found = re.search(r"<h2>([\d,]+) runs? ended", page)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_the_newest_runs_come_first_fifty_on_a_page_forth_and_back(visit: Visit) -> None:
    visitor = visit("full")
    first = visitor.get("/runs")
    second = visitor.get(link(first, "Next"))
    third = visitor.get(link(second, "Next"))

    assert len(shown(first)) == len(shown(second)) == 50
    everything = shown(first) + shown(second) + shown(third)
    assert everything == sorted(everything, reverse=True)
    assert shown(visitor.get(link(third, "Previous"))) == shown(second)
    assert shown(visitor.get(link(second, "Previous"))) == shown(first)


def test_states_are_filtered(visit: Visit) -> None:
    visitor = visit("full")
    for state in ("failed", "skipped", "missed", "running"):
        with visitor.database.read() as tx:
            query = sa.select(runs.c.id).where(runs.c.state == state).order_by(runs.c.id.desc()).limit(50)
            expected = list(tx.execute(query).scalars())
        assert shown(visitor.get(f"/runs?state={state}")) == expected


def test_job_task_and_origin_are_filtered(visit: Visit) -> None:
    visitor = visit("full")

    assert {JOB} == set(re.findall(r'class="name" href="[^"]+">([^<]+)<', visitor.get(f"/runs?job={JOB}")))
    assert shown(visitor.get(f"/runs?job={JOB}")) == shown(visitor.get("/runs?task=bank.import_statements"))
    assert shown(visitor.get(f"/runs?job_id={JOB}")) == shown(visitor.get(f"/runs?job={JOB}"))
    assert shown(visitor.get(f"/runs?job={JOB}&origin=retry")) == []


def test_the_counts_are_those_of_the_chosen_part(visit: Visit) -> None:
    visitor = visit("full")
    page = visitor.get("/runs?from=2026-11-22T12:00&to=2026-11-22T14:00")

    with visitor.database.read() as tx:
        ended = sa.select(sa.func.count()).where(
            runs.c.finished_at >= to_micros(NOW.replace(hour=11, minute=0, second=0)),
            runs.c.finished_at < to_micros(NOW.replace(hour=13, minute=0, second=0)),
        )
        assert counted(page) == tx.execute(ended).scalar()
    parts = re.findall(r"</svg> ([\d,]+) (?:succeeded|failed|missed, skipped|cancelled)", page)
    assert sum(int(part.replace(",", "")) for part in parts) == counted(page)


def test_a_job_has_its_own_counts(visit: Visit) -> None:
    visitor = visit("full")
    page = visitor.get(f"/runs?job={JOB}&from=2026-11-22T08:00&to=2026-11-22T16:00")

    with visitor.database.read() as tx:
        ended = sa.select(sa.func.count()).where(
            runs.c.job_id == JOB,
            runs.c.finished_at >= to_micros(NOW.replace(hour=7, minute=0, second=0)),
            runs.c.finished_at < to_micros(NOW.replace(hour=15, minute=0, second=0)),
        )
        assert counted(page) == tx.execute(ended).scalar()


def test_bars_are_of_a_round_length(visit: Visit) -> None:
    visitor = visit("full")
    for query, bar in (
        ("", "10 m"),
        ("from=2026-11-22T12:00&to=2026-11-22T12:30", "10 m"),
        ("from=2026-11-21T12:00&to=2026-11-21T12:30", "1 m"),
        ("from=2026-11-20T12:00&to=2026-11-20T12:30", "1 h"),
        ("from=2026-11-15T00:00", "3 h"),
        ("from=2025-01-01T00:00", "7 d"),
        ("to=2026-11-01T00:00", "1 h"),
        ("from=1970-01-01T00:00Z", "7 d"),
        ("from=9000-01-01T00:00", "10 m"),
    ):
        assert f"bar = {bar}<" in visitor.get(f"/runs?{query}"), query


def test_a_wrong_filter_is_told_on_a_page(visit: Visit) -> None:
    visitor = visit("empty")
    for query, told in (
        ("state=failled", "failed"),
        ("origin=x", "origin must be one of"),
        ("from=yesterday", "from must be a time"),
        ("sort=name", "sort must be one of"),
        ("page=1", "page must be an address"),
        ("page=" + "9" * 30 + "-1", "page must be an address"),
        ("job=" + ",".join(map(str, range(200))), "at most 100"),
    ):
        answer = visitor.open("GET", f"/runs?{query}")
        assert answer.status_code == 422, query
        assert told in answer.text and answer.content_type.startswith("text/html")


def test_an_empty_list_says_which_filter_and_offers_to_clear_it(visit: Visit) -> None:
    filtered = visit("full").get("/runs?job=nobody&state=lost")

    assert "No run fits" in filtered and "state lost and job nobody" in filtered
    assert "Clear the filter" in filtered


def test_an_empty_store_says_how_runs_come(visit: Visit) -> None:
    assert "Nothing has run yet" in visit("empty").get("/runs")


def test_all_of_a_filter_comes_as_csv(visit: Visit) -> None:
    visitor = visit("full")
    answer = visitor.open("GET", f"/runs.csv?job={JOB}")
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    with visitor.database.read() as tx:
        number = tx.execute(sa.select(sa.func.count()).where(runs.c.job_id == JOB)).scalar()
    assert len(rows) == number
    assert {row["job_id"] for row in rows} == {JOB} and {row["state"] for row in rows} <= set(RunState)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="runs.csv"'


def test_no_cell_of_the_csv_is_a_formula(visit: Visit) -> None:
    visitor = visit("full")
    with visitor.database.read() as tx:
        run = tx.execute(sa.select(sa.func.max(runs.c.id)).where(runs.c.job_id == JOB)).scalar()
    for formula in ("=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\tx", "\r=1", "＝1"):
        values = {"state": "failed", "error_type": formula, "error_message": "x", "reason": formula}
        visitor.database.write(
            lambda tx, values=values: tx.execute(runs.update().where(runs.c.id == run).values(**values))
        )
        row = next(csv.DictReader(io.StringIO(visitor.open("GET", f"/runs.csv?job={JOB}").text)))
        assert row["reason"] == f"'{formula}"
        assert row["outcome"][0] in "'\\"
    assert tame("fine") == "fine"


@pytest.mark.parametrize("store", ["full", "empty", "hostile"])
def test_the_pages_keep_their_policy_and_show_what_people_wrote_as_text(visit: Visit, store: str) -> None:
    visitor = visit(store)
    for path in ("/runs", "/timeline", "/search?q=%3Cscript%3E", "/keys", "/runs?job=%3Cscript%3E"):
        answer = visitor.open("GET", path)
        assert answer.status_code == 200, answer.text
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|<style|<script(?![^>]*\ssrc=)", answer.text)
        assert len(answer.data) < 200_000


def test_a_number_of_the_overview_leads_to_the_runs_that_sum_to_it(visit: Visit) -> None:
    visitor = visit("full")
    overview = visitor.get("/")
    for name, states in (("failed", 3), ("missed", 1), ("success", 4)):
        tile = overview.split(f'data-tile="{name}"')[1].split("</li>")[0]
        told = int(re.findall(r">([\d,]+)<" if name != "success" else r"of ([\d,]+) runs", tile)[0].replace(",", ""))
        address = re.findall(r'<a href="([^"]+)"', tile)[0].replace("&amp;", "&")
        page = visitor.get(address)
        assert (counted(page), address.count("%2C") + address.count(",") + 1) == (told, states)
        assert len(shown(page)) == min(told, 50) or name == "missed"
        fewer = visitor.get(re.findall(r'<a href="([^"]+)" tabindex="-1"', page)[0].replace("&amp;", "&"))
        assert 0 < counted(fewer) <= told and "finished_from" in fewer
        if len(shown(page)) == 50:
            assert not set(shown(visitor.get(link(page, "Next")))) & set(shown(page))
    hour = re.findall(r'<a href="([^"]+)" class="column" aria-label="([^"]+)"', overview)[3]
    page = visitor.get(hour[0].replace("&amp;", "&"))
    assert counted(page) == sum(int(number) for number in re.findall(r"(\d+) (?:succ|fail|miss)", hour[1]))
