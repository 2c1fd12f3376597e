"""`GET /jobs?search=`: jobs by words of their id, name, task or tags, and what is possible when there are too many."""

import pytest

from tests.api.conftest import Caller, assert_problem, every


@pytest.fixture
def jobs(call: Caller) -> Caller:
    call.given_job("nightly-report", name="Report of the day", tags=["Finance"])
    call.given_job("weekly", name="Weekly 100% report", tags=["finance-eu", "ops"])
    call.given_job("add_up", task="total", kwargs={"numbers": []}, name="total", tags=[])
    call.given_job("report-old", tags=["ops"])
    return call


def found(call: Caller, words: str, **more: str) -> list[str]:
    answer = call("GET", "/jobs", query_string={"search": words, **more})
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.get_json()["items"]]


def test_words_are_found_wherever_they_stand(jobs: Caller) -> None:
    assert found(jobs, "REPORT") == ["nightly-report", "report-old", "weekly"]
    assert found(jobs, "finance") == ["nightly-report", "weekly"]
    assert found(jobs, "eet") == ["nightly-report", "report-old", "weekly"]
    assert found(jobs, "report", tag="ops", sort="-id") == ["weekly", "report-old"]
    assert [found(jobs, words) for words in ("100%", "d_u", "%", "_", "'; --", "!")] == [
        ["weekly"],
        ["add_up"],
        ["weekly"],
        ["add_up"],
        [],
        [],
    ]
    assert_problem(jobs("GET", "/jobs?search="), 400)


def test_among_too_many_what_begins_with_them_is_found_by_an_index(jobs: Caller, monkeypatch) -> None:
    monkeypatch.setattr("scheduler_app.services.searching.LOOKED_THROUGH", 3)
    assert found(jobs, "report") == ["report-old"]
    assert found(jobs, "Report") == ["nightly-report"]
    assert found(jobs, "gree") == ["nightly-report", "report-old", "weekly"]
    assert found(jobs, "finance") == ["weekly"]
    assert found(jobs, "total") == ["add_up"]
    assert found(jobs, "w") == ["weekly"]
    assert found(jobs, "day") == []
    monkeypatch.setattr("scheduler_app.store.searching.MOST", 2)
    assert len(found(jobs, "gree")) == 2


def test_a_search_is_paged(jobs: Caller) -> None:
    for number in range(3):
        jobs.given_job(f"report-{number}", trigger=every(hours=1))
    page = jobs("GET", "/jobs?search=report&limit=2").get_json()
    ids = [job["id"] for job in page["items"]]
    while page["next_cursor"]:
        page = jobs("GET", f"/jobs?search=report&limit=2&cursor={page['next_cursor']}").get_json()
        ids += [job["id"] for job in page["items"]]
    assert ids == found(jobs, "report") and len(ids) == 6
