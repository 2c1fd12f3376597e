"""Timeline, search and keys."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from scheduler_app.store.callers import api_keys
from scheduler_app.store.tables import jobs, runs
from tests.dashboard.conftest import Visitor

Visit = Callable[[str], Visitor]


def test_each_job_of_the_window_has_a_row_and_a_table_tells_the_same(visit: Visit) -> None:
    page = visit("full").get("/timeline")

    rows = re.findall(r'<li data-id="([^"]+)">', page)
    assert "import-bank-statements" in rows
    table = page[page.index("The same as a table") :]
    assert all(f"<td>{row}</td>" in table for row in rows)
    assert "slots busy" in page and "now-line" in page


def test_what_runs_is_hatched_and_what_is_planned_is_hollow(visit: Visit) -> None:
    page = visit("full").get("/timeline")

    assert "bar-running" in page and "bar-planned" in page and "bar-succeeded" in page


def test_collisions_are_named(visit: Visit) -> None:
    page = visit("full").get("/timeline?span=12h&only=collisions")

    assert re.search(r"\d+ firings at once, of [a-z]", page)
    assert "Collisions" in page


def test_every_span_and_order_is_drawn(visit: Visit) -> None:
    visitor = visit("full")
    for span, sort in (("15m", "next"), ("2h", "name"), ("12h", "tag"), ("1d", "load"), ("7d", "next")):
        page = visitor.get(f"/timeline?span={span}&sort={sort}")
        assert f'aria-current="true">{span[:-1]} {span[-1]}<' in page


def test_the_window_is_panned_zoomed_and_brought_back_by_links_with_keys(visit: Visit) -> None:
    visitor = visit("full")
    page = visitor.get("/timeline")
    links = dict(re.findall(r'href="([^"]*)" data-key="(.)"', page))
    by_key = {key: href.replace("&amp;", "&") for href, key in links.items()}

    assert set(by_key) >= set("hl+-.")
    assert by_key["."] == "/timeline"
    for key in "hl+-":
        assert "Timeline" in visitor.get(by_key[key])
    assert "at=2026-11-22T14" in by_key["h"]


def test_a_wrong_view_is_told(visit: Visit) -> None:
    visitor = visit("empty")
    for query in ("span=3h", "sort=size", "at=soon", "at=1970-01-01T00:00Z", "at=9999-12-31T23:59:59"):
        assert visitor.open("GET", f"/timeline?{query}").status_code == 422, query


def test_an_empty_window_says_so(visit: Visit) -> None:
    assert "No job has anything here" in visit("empty").get("/timeline")
    assert "among the jobs that fit “nobody”" in visit("full").get("/timeline?q=nobody")


def test_search_finds_jobs_tasks_and_runs_without_scripts(visit: Visit) -> None:
    visitor = visit("full")
    with visitor.database.read() as tx:
        run = tx.execute(sa.select(sa.func.max(runs.c.id))).scalar()

    assert ">sync-ledger</a>" in visitor.get("/search?q=sync")
    assert "/runs?task=bank.import_statements" in visitor.get("/search?q=IMPORT_st")
    assert f'href="/runs/{run}"' in visitor.get(f"/search?q={run}")
    assert "Nothing fits" in visitor.get("/search?q=no-such-thing")
    assert "Nothing fits" in visitor.get("/search?q=" + "9" * 15)
    assert "&lt;script&gt;" in visitor.get("/search?q=<script>")


def test_a_key_is_made_shown_once_and_revoked(visit: Visit) -> None:
    visitor = visit("full")
    made = visitor.open("POST", "/keys", name="deploy", role="operator", days="30")
    secret = re.search(r'id="new-key">([\w-]+)<', made.text)

    assert made.status_code == 201 and secret is not None
    assert made.headers["Cache-Control"] == "no-store"
    listed = visitor.get("/keys")
    assert "deploy" in listed and secret[1] not in listed
    with visitor.database.read() as tx:
        key = tx.execute(sa.select(api_keys.c.id).where(api_keys.c.name == "deploy")).scalar()
    assert re.search(rf'<dialog id="ask-{key}"[^>]* open>', visitor.get(f"/keys?ask={key}"))
    assert visitor.open("POST", f"/keys/{key}/revoke", sent="1").status_code == 303
    assert "deploy" not in visitor.get("/keys")


def test_a_wrong_key_is_told_beside_its_field(visit: Visit) -> None:
    visitor = visit("empty")
    for form, told in (
        ({"name": "", "role": "viewer"}, "name"),
        ({"name": "x", "role": "king"}, "role"),
        ({"name": "admin", "role": "viewer"}, "in use"),
        ({"name": "x", "role": "viewer", "days": "7"}, "one of the choices"),
        ({"name": "<script>", "role": "nobody"}, "&lt;script&gt;"),
    ):
        answer = visitor.open("POST", "/keys", **form)
        assert answer.status_code == 422, form
        assert told in answer.text and 'class="wrong"' in answer.text


def test_the_last_admin_key_is_not_revoked(visit: Visit) -> None:
    answer = visit("empty").open("POST", "/keys/1/revoke", sent="1")

    assert answer.status_code == 409 and "last admin key" in answer.text


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_an_admin_sees_keys(visit: Visit, role: str) -> None:
    visitor = visit("empty").as_role(role)

    assert visitor.open("GET", "/keys").status_code == 403
    assert visitor.open("POST", "/keys", name="x", role="admin").status_code == 403
    assert visitor.open("POST", "/keys/1/revoke", sent="1").status_code == 403
    assert 'href="/keys"' not in visitor.get("/runs")


def test_a_paused_job_says_why_in_its_row(visit: Visit) -> None:
    visitor = visit("full")
    change = jobs.update().where(jobs.c.id == "import-bank-statements").values(state="paused", reason="<b>vendor</b>")
    visitor.database.write(lambda tx: tx.execute(change))

    assert "paused: &lt;b&gt;vendor&lt;/b&gt;" in visitor.get("/timeline")
