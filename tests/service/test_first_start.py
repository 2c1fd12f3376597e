"""The first start makes store and key together, whoever starts beside it and whenever it is killed."""

import random
import secrets
import time
from pathlib import Path

import pytest

from tests.service.harness import Service, wait_until


@pytest.mark.slow
def test_two_that_start_at_one_moment_agree_on_one_key(tmp_path: Path) -> None:
    pair = Service(tmp_path), Service(tmp_path)
    try:
        for service in pair:
            service.launch()
        for service in pair:
            wait_until(service.listens, within=10.0)
            wait_until(service.is_ready, within=10.0)
        run = pair[0].run_now("work")
        assert pair[1].run(run["id"]) == run
        assert len(pair[1].get("/scheduler")["engines"]) == 2
    finally:
        for service in pair:
            service.clean_up()


@pytest.mark.slow
def test_a_first_start_that_is_killed_leaves_nothing_that_stops_the_next(stopped: Service) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    luck = random.Random(seed)
    for _ in range(8):
        stopped.launch()
        time.sleep(luck.uniform(0.3, 1.2))
        stopped.kill()
        for file in stopped.data.glob("*") if luck.random() < 0.5 else ():
            file.unlink()
    stopped.start()
    assert stopped.run_now("work")["state"] == "succeeded"
