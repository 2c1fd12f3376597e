"""The lines of p50 and p95 over a job's last runs: they move with what was usual then."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from scheduler_app.dashboard.history import picture_of
from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import JobStats, Mark
from tests.dashboard.world import BERLIN, NOW


def test_the_lines_move_with_the_runs_and_begin_when_enough_have_succeeded() -> None:
    marks = tuple(
        Mark(
            run_id=n,
            state=RunState.FAILED if n == 40 else RunState.SUCCEEDED,
            duration=10.0 if n < 45 else 20.0,
            lateness=0.0,
            scheduled_at=NOW - timedelta(hours=90 - n),
        )
        for n in range(90)
    )
    picture = picture_of(JobStats(usual=10.0, p95=20.0, strip=marks), [], now=NOW, zone=ZoneInfo(BERLIN))

    for strokes in (picture.p50_moved, picture.p95_moved):
        assert all(one.x2 == other.x1 and one.y2 == other.y1 for one, other in pairwise(strokes))
        assert 4 < strokes[0].x1 < 6, "five have succeeded by the fifth column"
        assert strokes[0].y1 > strokes[-1].y2, "they take longer at the end"
        assert len(strokes) == 3, "level, up, level"
    moved_at = [next(part.x1 for part in line if part.y1 != part.y2) for line in (picture.p50_moved, picture.p95_moved)]
    assert moved_at[1] < moved_at[0], "p95 sees it first"
