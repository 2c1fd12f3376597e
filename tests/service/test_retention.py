"""A running service prunes by itself, as its settings say."""

from pathlib import Path

import pytest

from tests.service.harness import serving, wait_until


@pytest.mark.slow
def test_a_one_off_is_forgotten_when_its_run_is_kept_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_KEEP_SUCCEEDED_DAYS", "0.00001")
    with serving(tmp_path) as service:
        failed = service.run_now("raises", kwargs={"kind": "value"})
        run = service.add("work", id="once", tags=["a"])
        wait_until(lambda: service.client.get(f"/runs/{run}").status_code == 404, within=20.0, what="forgotten")
        assert service.client.get("/jobs/once").status_code == 404
        assert service.client.get(f"/runs/{run}/log").status_code == 404
        assert service.run(failed["id"])["state"] == "failed"
        assert service.is_ready()
