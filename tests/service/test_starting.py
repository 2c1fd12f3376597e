"""What `serve` does before it works, and what it leaves on disk."""

import stat
from pathlib import Path

import httpx
import pytest

from tests.service.harness import Service


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_says_where_it_listens_and_where_the_key_is_and_never_the_key(service: Service) -> None:
    first, second, *_ = service.said().splitlines()
    assert first == f"Listening on {service.url} (API documentation: {service.url}/docs)"
    assert second == f"Admin key in {service.data / 'admin.key'}"
    assert service.key not in service.said()


def test_its_files_are_for_its_owner_alone(service: Service) -> None:
    service.run_now("work")
    assert mode(service.data) == 0o700
    files = {path.name: mode(path) for path in service.data.iterdir()}
    assert {"admin.key", "scheduler.db", "scheduler.db-wal", "scheduler.db.gate"} <= set(files)
    assert set(files.values()) == {0o600}


def test_without_the_key_it_tells_nothing_but_how_it_is(shared: Service) -> None:
    assert httpx.get(f"{shared.url}/healthz").status_code == 200
    assert httpx.get(f"{shared.url}/readyz").json()["ready"] is True
    for key in (None, "wrong", shared.key[:-1]):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = httpx.get(f"{shared.url}/api/v1/jobs", headers=headers)
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


@pytest.mark.slow
def test_a_restart_keeps_jobs_history_and_key(service: Service) -> None:
    run = service.run_now("work", id="once")
    service.post("/jobs", {"id": "hourly", "task": "work", "trigger": {"type": "interval", "hours": 1}}, expect=201)
    before, key = service.get("/jobs/hourly"), service.key
    assert service.stop() == 0
    service.start()
    assert service.key == key
    assert service.get("/jobs/hourly") == before
    assert service.run(run["id"]) == run


@pytest.mark.slow
def test_it_starts_on_its_port_again_at_once_after_a_stop_with_clients_connected(service: Service) -> None:
    service.get("/jobs")
    assert service.stop() == 0
    assert service.start().get("/jobs")["items"] == []
