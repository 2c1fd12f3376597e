"""A test that looks back finds everything, unless its app sets how long history is kept."""

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.services import runs
from scheduler_app.store.runs import RunFilter


@pytest.fixture
def app(tmp_path, request):
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config |= {"SCHEDULER_ENGINE": "off", **request.param}
    Scheduler(app)
    return app


@pytest.mark.parametrize(
    ("app", "kept"),
    [({}, 60), ({"SCHEDULER_KEEP_SUCCEEDED_DAYS": 2}, 3), ({"SCHEDULER_KEEP_RUNS_PER_JOB": 7}, 7)],
    indirect=["app"],
)
def test_history_is_pruned_on_simulated_time_only_as_the_app_says(app, kept, scheduler, fake_clock):
    @scheduler.task
    def nothing() -> None:
        pass

    scheduler.add_job("daily", nothing, trigger="cron", expression="0 0 * * *", timezone="UTC")
    fake_clock.advance(days=60)
    page = runs.list_runs(RunFilter(), after=None, limit=100, ctx=scheduler.core.ctx)
    assert len(page.runs) == kept
