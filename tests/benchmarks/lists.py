"""Workload Q1: every list call of the API, each filter and each order, on its first page and on page 500.

The service is as shipped, with its engine; one client asks, over a connection that it keeps. Each call is judged by
itself: the figures are of the slowest.
"""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from scheduler_app.clock import EPOCH, SystemClock, from_micros, rfc3339, to_micros
from tests import bulk
from tests.benchmarks.processes import StepError
from tests.benchmarks.servers import Server, cpu_seconds, ours
from tests.benchmarks.workload import Contender, Measured, Workload

PAGE_500, LIMIT, RUNS_A_JOB = 500, 50, 10
TIMES = 25
# a cursor does not belong to a size of page: what lies before page 500 is read in large ones
LARGE = 1000
BEFORE = (PAGE_500 - 1) * LIMIT
JUMPS = (*[LARGE] * (BEFORE // LARGE), BEFORE % LARGE)
JOB_SORTS = ("id", "next_run_time", "updated_at", "usual", "last_failure")
JOB_FILTERS = (
    *("state=active", "state=paused", "state=broken", "state=finished", "state=paused,broken", "state=active,finished"),
    *("task=task_03", "task=task_03,task_04", "task=nobody", "tag=blue", "tag=rare", "tag=none", "tag=blue,rare"),
    *("trigger=cron", "trigger=calendarinterval", "trigger=date", "trigger=cron,interval"),
    *("q=job-000", "q=job-00000042", "q=Report", "q=Report%2042", "q=task_07", "q=zzz"),
    *("next_run_before={soon}", "next_run_before={past}", "task=task_03&state=paused", "tag=blue&trigger=cron"),
    # each lets many through, both together hardly any, or none
    *("task=task_03&tag=blue", "state=paused&task=task_07", "tag=blue&task=task_07", "q=Report&task=task_03"),
)
RUN_FILTERS = (
    *("state=succeeded", "state=failed", "state=missed", "state=timed_out", "state=lost", "state=failed,missed"),
    *("state=queued", "state=running,queued", "task=task_03", "task=nobody", "task=task_03,task_04"),
    *("job_id=job-00000042", "job_id=job-00000042,job-00000077", "job_id=nobody"),
    *("origin=manual", "origin=retry", "origin=once", "origin=schedule", "origin=manual,retry"),
    *(
        "from={hour}",
        "from={long}&to={day}",
        "to={past}",
        "from={soon}",
        "state=failed&from={day}",
        "task=task_03&to={day}",
    ),
    *("state=failed&task=task_03", "state=failed&job_id=job-00000042"),
    *("to={long}", "from={long}&to={day}&state=failed", "finished_from={hour}", "finished_to={long}"),
    *("finished_from={long}&finished_to={day}", "finished_from={long}&finished_to={day}&task=task_03"),
    # each lets many through, both together hardly any, or none
    *(
        "task=task_03&origin=manual",
        "state=missed&task=task_03",
        "state=missed&origin=manual",
        "state=missed&to={long}",
    ),
)
RUN_SORTS = ("-id", "-finished_at", "-duration", "-lateness")
OTHERS = (
    *("scheduler", "stats", "upcoming", "tasks", "jobs/job-00000042/stats", "jobs/job-00000042/forecast"),
    *("jobs/job-00000042/runs?limit=50", "jobs?limit=50&search=Report", "jobs?limit=50&search=job-0004"),
    *("audit?limit=50", "audit?limit=50&who=admin", "audit?limit=50&who=nobody", "audit?limit=50&what=job.deleted"),
    *("audit?limit=50&from={long}&to={day}", "audit?limit=50&subject=job:job-00000042", "audit?limit=50&to={long}"),
)
WORKLOAD = Workload(
    name="Q1",
    title="List calls, each filter and order of the API",
    unit="calls/s",
    contenders=(
        Contender("jobs-first", "jobs, first page", "50 items a page; p99 of the slowest call"),
        Contender("jobs-deep", "jobs, page 500", "or the last page of a shorter list"),
        Contender("runs-first", "runs, first page", f"{RUNS_A_JOB} runs for each job"),
        Contender("runs-deep", "runs, page 500", "or the last page of a shorter list"),
        Contender("others-first", "what else is listed or counted", "and of as many changes as jobs, the audit"),
    ),
    settings={
        "store": "filled by SQL once for all rounds; what it holds is in tests/bulk.py",
        "ours": "`scheduler-app serve` as shipped, its engine at work",
        "figures": f"each call {TIMES} times, one client; p99_ms, the slowest of these, is of the worst call, and of "
        "each in results.json",
    },
)


class Lists:
    """The workload; all contenders share one store."""

    workload = WORKLOAD

    def __init__(self) -> None:
        self._deep: dict[tuple[Path, str], list[str]] = {}

    def prepare(self, _contender: str, folder: Path, jobs: int) -> None:
        """Fill the store, if no other contender has."""
        home = folder.parent / "store"
        if home.exists():
            return
        home.mkdir()
        with ours(home):
            pass
        content = bulk.Content(now=to_micros(SystemClock().now()), jobs=jobs, runs=jobs * RUNS_A_JOB)
        bulk.fill(home / "scheduler.db", content)

    def measure(self, contender: str, folder: Path, _jobs: int) -> Measured:
        """Ask each call some times, after once that does not count."""
        kind, _, which = contender.partition("-")
        with ours(folder.parent / "store") as server, closing(Client(server)) as client:
            paths = self._deep_calls(folder.parent, kind, client) if which == "deep" else list(calls(kind))
            before = cpu_seconds(server.pid)
            took = {path: client.timed(path) for path in paths}
            after = cpu_seconds(server.pid)
        each = {path: p99(times) for path, times in took.items()}
        number = len(took) * (TIMES + 1)
        more = {"p50_ms": median(map(median, took.values())), "p99_ms": max(each.values())}
        more |= {} if before is None or after is None else {"server_cpu_us_each": (after - before) / number * 1e6}
        more |= {f"p99_ms of {_shown(path)}": value for path, value in each.items()}
        return Measured(rate=number / sum(map(sum, took.values())) * 1000, more=more)

    def _deep_calls(self, store: Path, kind: str, client: "Client") -> list[str]:
        """Return the paths of page 500; looked for once, as the store stays as it is."""
        if (store, kind) not in self._deep:
            self._deep[store, kind] = [client.deep(path) for path in calls(kind)]
        return self._deep[store, kind]


def calls(kind: str) -> Iterator[str]:
    """Yield the paths of the lists of jobs, or of runs, with each filter in each order; or of the other lists."""
    now = SystemClock().now()
    long = from_micros(to_micros(now) - 5 * bulk.DAY)
    day, hour = from_micros(to_micros(now) - bulk.DAY), from_micros(to_micros(now) - bulk.DAY // 24)
    soon = from_micros(to_micros(now) + bulk.DAY + 2_500 * bulk.SECOND)
    times = {name: quote(rfc3339(at)) for name, at in locals().items() if name in ("long", "day", "hour", "soon")}
    times["past"] = quote(rfc3339(EPOCH))
    if kind == "others":
        yield from (f"/api/v1/{call.format(**times)}" for call in OTHERS)
        return
    sorts = [f"{sign}{sort}" for sort in JOB_SORTS for sign in ("", "-")] if kind == "jobs" else RUN_SORTS
    filters = JOB_FILTERS if kind == "jobs" else RUN_FILTERS
    for sort in sorts:
        for chosen in ("", *filters):
            yield f"/api/v1/{kind}?limit={LIMIT}&sort={sort}&{chosen.format(**times)}".rstrip("&")


@dataclass
class Client:
    """A client that keeps its connection."""

    server: Server

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> Any:
        """Return the JSON of an answer."""
        return json.loads(self._answer(path))

    def _answer(self, path: str) -> bytes:
        self._connection.request("GET", path, headers=self.server.headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise StepError(f"{path}: {answer.status} {body[:200].decode(errors='replace')}")
        return body

    def deep(self, path: str) -> str:
        """Return the path of page 500 of a list, or of its last one."""
        cursor = None
        for limit in JUMPS:
            wide = path.replace(f"limit={LIMIT}", f"limit={limit}")
            found = self.get(wide if cursor is None else f"{wide}&cursor={cursor}")["next_cursor"]
            if found is None:
                break
            cursor = found
        return path if cursor is None else f"{path}&cursor={cursor}"

    def timed(self, path: str) -> list[float]:
        """Return what each time took, in milliseconds."""
        self._answer(path)
        return [self._took(path) for _ in range(TIMES)]

    def _took(self, path: str) -> float:
        start = time.perf_counter()
        self._answer(path)
        return (time.perf_counter() - start) * 1000


def p99(times: Sequence[float]) -> float:
    """Return what one in a hundred exceeds."""
    return sorted(times)[int(len(times) * 0.99)]


def _shown(path: str) -> str:
    return path.removeprefix("/api/v1").replace(f"limit={LIMIT}&", "").partition("&cursor=")[0]
