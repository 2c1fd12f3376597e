"""The strip of a job's last runs: one narrow bar for each, as high as it took long against the p95."""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler_app.dashboard import words
from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import FAILURES, JobStats, Mark

SHOWN = 20
STEP, BAR = 8, 6
HEIGHT, FOOT = 24, 22
LOWEST, HIGHEST, HOLLOW = 3, 18, 6
WIDTH = SHOWN * STEP
UNSTARTED = frozenset({RunState.MISSED, RunState.SKIPPED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """The outlines of its bars by state, until where nothing has been yet, and what it says."""

    outlines: dict[str, str]
    until: int
    told: str


def strip_of(stats: JobStats, *, is_running: bool) -> Strip:
    """Return the strip of the last 20 runs, the newest on the right."""
    marks = stats.strip[-(SHOWN - 1) :] if is_running else stats.strip[-SHOWN:]
    scale = stats.p95 or max((mark.duration or 0 for mark in marks), default=0) or 1
    begin = SHOWN - len(marks) - is_running
    outlines: dict[str, str] = {}
    for n, mark in enumerate(marks):
        outlines[mark.state] = outlines.get(mark.state, "") + _outline(mark, (begin + n) * STEP, scale)
    if is_running:
        outlines[RunState.RUNNING] = _bar((SHOWN - 1) * STEP, HIGHEST - 4)
    return Strip(outlines=outlines, until=begin * STEP, told=_told(marks, is_running))


def _outline(mark: Mark, x: int, scale: float) -> str:
    if mark.state in FAILURES:
        return f"M{x} {FOOT - HIGHEST}h{BAR}v4h-{BAR}z" + _bar(x, HIGHEST - 6)
    if mark.state in UNSTARTED:
        return f"M{x + 0.5} {FOOT - HOLLOW + 0.5}h{BAR - 1}v{HOLLOW - 1}h-{BAR - 1}z"
    if mark.state is RunState.CANCELLED:
        return _bar(x, LOWEST)
    part = min(1.0, (mark.duration or 0) / scale)
    return _bar(x, round(LOWEST + part * (HIGHEST - LOWEST - 3)))


def _bar(x: int, height: int) -> str:
    return f"M{x} {FOOT}v-{height}h{BAR}v{height}z"


def _told(marks: Sequence[Mark], is_running: bool) -> str:
    counts: dict[str, int] = {}
    for mark in marks:
        counts[mark.state] = counts.get(mark.state, 0) + 1
    told = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no runs yet"
    return f"last {words.plural(len(marks), 'run')}: {told}" + ("; one runs now" if is_running else "")
