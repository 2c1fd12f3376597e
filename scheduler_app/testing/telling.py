"""What a failing test is told: what ran, what waits and what will fire, one line each, in the zone of the job.

Arguments are shortened, and what is called like a secret, or looks like a password in a URL, is not shown.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from scheduler_app.aps.triggers import zone_of
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import Run
from scheduler_app.domain.task import Task
from scheduler_app.domain.text import one_line
from scheduler_app.testing.matching import by_parameter, runs_of, waits
from scheduler_app.testing.matching import jobs_of as open_jobs
from scheduler_app.testing.stage import Stage

FIRST, LAST = 3, 9
MOST_VALUE, MOST_ARGUMENTS, MOST_ERROR = 24, 70, 90
SECRET = re.compile(r"pass(word|wd|phrase)?$|secret|token|api_?key|authorization|credential|private", re.I)
URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")


def told(sentence: str, stage: Stage) -> str:
    """Return a sentence, and below it a small timeline of all that ran, waits and will fire."""
    zones = _zones(stage)
    every = runs_of(stage.core.ctx)
    parts = [
        f"{sentence}\n\nIt is {_clock(stage.clock.now(), _common(zones, stage))}.",
        _block(
            "What ran, the newest last", [_run(run, stage, zones) for run in every if not waits(run)], "Nothing ran."
        ),
        _block("What waits", [_run(run, stage, zones) for run in every if waits(run)]),
        _block("What will fire", _jobs(stage)),
    ]
    return "\n".join(part for part in parts if part)


def arguments(task: Task | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return a call's arguments in brackets, each by its parameter's name, shortened."""
    named = {**dict(zip(map(str, range(len(args))), args, strict=True)), **kwargs}
    if task is not None:
        named = by_parameter(task, args, kwargs)
    return f"({_cut(', '.join(f'{name}={_value(name, value)}' for name, value in named.items()), MOST_ARGUMENTS)})"


def _value(name: str, value: Any) -> str:
    if SECRET.search(name):
        return "***"
    text = json.dumps(value, ensure_ascii=False, default=str)
    shown = _hidden(value) if isinstance(value, Mapping | list) else text
    return _cut(one_line(_without_passwords(shown)), MOST_VALUE)


def _hidden(value: Any) -> str:
    """Return JSON text without what its keys say is secret."""
    return json.dumps(_without_secrets(value), ensure_ascii=False, default=str)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: "***" if SECRET.search(str(key)) else _without_secrets(inner) for key, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _without_passwords(text: str) -> str:
    return URL_PASSWORD.sub(r"\1***@", text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _clock(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    seconds = local.strftime(":%S") + (f".{local.microsecond // 1000:03d}" if local.microsecond else "")
    return local.strftime("%a %Y-%m-%d %H:%M") + seconds + local.strftime(" %Z" if zone.tzname(at) else " %z")


def _zones(stage: Stage) -> dict[str, tzinfo]:
    """Return the zone of each job that names one."""
    found = open_jobs(stage.core.ctx)
    return {job.id: zone_of(job.trigger) for job in found if job.trigger and job.trigger.get("timezone")}


def _common(zones: Mapping[str, tzinfo], stage: Stage) -> tzinfo:
    """Return the zone of all jobs that name one, if it is one, else that of the app."""
    names = set(zones.values())
    return names.pop() if len(names) == 1 else stage.core.desk.habits.zone


def _run(run: Run, stage: Stage, zones: Mapping[str, tzinfo]) -> list[str]:
    at = run.started_at if run.started_at is not None and not waits(run) else run.ready_at
    clock = _clock(at, zones.get(run.job_id, _common(zones, stage)))
    return [clock, f"{run.task}{arguments(stage.core.registry.find(run.task), run.args, run.kwargs)}", _state(run)]


def _state(run: Run) -> str:
    words: list[str] = [run.state]
    if run.reason:
        words.append(f"({run.reason})")
    if run.missed is not None and run.missed.count != 1:
        words.append(f"{run.missed.count or 'more than 10,000'} firings")
    if run.attempt > 1:
        words.append(f"at attempt {run.attempt}")
    if run.crashes:
        words.append(f"after {run.crashes} crash{'es' if run.crashes > 1 else ''}")
    if run.error is not None:
        words.append(f"{run.error.type}: {_cut(one_line(_without_passwords(run.error.message)), MOST_ERROR)}")
    return " ".join(words)


def _jobs(stage: Stage) -> list[list[str]]:
    found = [job for job in open_jobs(stage.core.ctx) if job.trigger is not None]
    return [_job(job, stage) for job in sorted(found, key=lambda job: (str(job.next_run_time or "9"), job.key))]


def _job(job: Job, stage: Stage) -> list[str]:
    zone = zone_of(job.trigger) if job.trigger and job.trigger.get("timezone") else stage.core.desk.habits.zone
    fires = job.state is JobState.ACTIVE and job.next_run_time is not None
    clock = _clock(job.next_run_time, zone) if fires and job.next_run_time else f"never: it is {job.state}"
    call = f"{job.task}{arguments(stage.core.registry.find(job.task), job.args, job.kwargs)}"
    return [clock, call, f"job {job.id}"]


def _block(head: str, rows: Sequence[list[str]], nothing: str = "") -> str:
    if not rows:
        return nothing
    left_out = len(rows) - FIRST - LAST
    shown = list(rows) if left_out <= 0 else [*rows[:FIRST], *rows[-LAST:]]
    widths = [max(len(row[place]) for row in shown) for place in (0, 1)]
    lines = [f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in shown]
    if left_out > 0:
        lines.insert(FIRST, f"  … {left_out} more …")
    return "\n".join([f"{head}:", *lines])
