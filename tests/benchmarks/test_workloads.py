"""Each way of measuring, at a size that measures nothing: it runs, executes all, and gives the figures."""

import time
from collections.abc import Iterator

import pytest

from tests.benchmarks import between, brokers, databases, soak
from tests.benchmarks.__main__ import WORKLOADS
from tests.benchmarks.brokers import PEERS
from tests.benchmarks.marks import Marks

pytestmark = pytest.mark.slow
JOBS = 5


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left() -> Iterator[None]:
    """The one PostgreSQL of the benchmarks ends with these tests."""
    yield
    databases.close()


@pytest.mark.parametrize(
    ("name", "contender", "figures"),
    [
        ("E1", "ours", {"executed_s", "cpu_us_each"}),
        ("S1", "fa-sqlite", {"p50_ms", "p99_ms"}),
        ("S2", "ours", set()),
        ("S3-8", "dramatiq-always", {"cpu_us_each"}),
    ],
)
def test_a_workload_gives_its_figures(name, contender, figures, tmp_path):
    what = WORKLOADS[name][0]
    what.prepare(contender, tmp_path, JOBS)
    measured = what.measure(contender, tmp_path, JOBS)
    assert measured.rate > 0
    assert figures <= set(measured.more)


def test_three_processes_drain_one_store(tmp_path):
    what = WORKLOADS["E1-PG"][0]
    what.prepare("ours", tmp_path, JOBS)
    assert what.measure("ours-three", tmp_path, JOBS).rate > 0


def test_the_age_of_each_job_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(between, "GAP", 0.001)
    monkeypatch.setattr(between, "WARM", 2)
    measured = WORKLOADS["P1"][0].measure("ours", tmp_path, JOBS)
    assert 0 < measured.rate <= measured.more["p99_ms"] <= measured.more["max_ms"]


@pytest.mark.parametrize("key", ["celery", "rq", "huey", "dramatiq-always", "huey-sqlite", "procrastinate"])
def test_the_workers_of_each_peer_execute_what_was_added(key, tmp_path):
    marks = Marks(tmp_path / "executed")
    if key == "procrastinate":
        databases.empty(key)
    with brokers.broker(key, tmp_path) as (address, _):
        variables = {"BROKER": address, "EXECUTED": str(marks.file)}
        brokers.add(PEERS[key], JOBS, **variables)
        with brokers.workers(PEERS[key], tmp_path, **variables):
            marks.wait_for(JOBS, time.monotonic() + 60)
    assert marks.count() == JOBS


def test_a_soak_ends_with_a_clean_audit(tmp_path):
    found = soak.soak(tmp_path, seconds=2.0)
    assert found["steady"]["audit"]["ok"]
    assert found["submitted"] > 0 and len(found["samples"]) >= 1
