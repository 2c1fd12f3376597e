"""Workload Q2: how soon one job is shown while the engine of the same process works through a backlog."""

from contextlib import closing
from pathlib import Path
from statistics import median

from scheduler_app.clock import SystemClock, to_micros
from tests import bulk
from tests.benchmarks.lists import TIMES, Client, p99
from tests.benchmarks.processes import StepError
from tests.benchmarks.servers import ours
from tests.benchmarks.workload import Contender, Measured, Workload

# so many are not done before the last answer
LEAST = 30_000
DURABILITY = "as shipped: one process answers and executes"
WORKLOAD = Workload(
    name="Q2",
    title="GET of one job, beside a backlog of due one-offs",
    unit="answers/s",
    contenders=(
        Contender("saturated", "scheduler-app serve, engine saturated", DURABILITY),
        Contender("idle", "scheduler-app serve, engine idle", DURABILITY),
    ),
    settings={
        "jobs": f"one-offs that are due when the service starts, or in a day, at least {LEAST:,}",
        "figures": f"{TIMES} answers, one client; of the saturated engine runs must be open at their end",
    },
)
ONE_OFFS = {
    "task": "'noop'",
    "name": "'noop'",
    "trigger": """'{"run_date":"2026-01-01T00:00:00+00:00","timezone":"UTC","type":"date"}'""",
    "trigger_type": "'date'",
    "tags": "'[]'",
    "state": "'active'",
    "reason": "NULL",
}


class Saturated:
    """The workload."""

    workload = WORKLOAD

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Fill the store of a service that has started once."""
        with ours(folder):
            pass
        jobs = max(jobs, LEAST)
        due = f":now + {bulk.DAY}" if contender == "idle" else f":now - {bulk.SECOND} - {jobs} + n"
        now = to_micros(SystemClock().now())
        content = bulk.Content(now=now, jobs=jobs, columns=ONE_OFFS | {"next_run_time": due})
        bulk.fill(folder / "scheduler.db", content)

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Ask for the job that is worked on last, again and again."""
        path = f"/api/v1/jobs/job-{max(jobs, LEAST):08d}"
        with ours(folder) as server, closing(Client(server)) as client:
            took = client.timed(path)
            was_busy = client.get(path)["state"] == "active"
        if not was_busy:
            raise StepError("the backlog was done before the last answer; give more --jobs")
        return Measured(rate=1000 * len(took) / sum(took), more={"p50_ms": median(took), "p99_ms": p99(took)})
