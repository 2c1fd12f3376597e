"""Engines that fire from one backlog turn to a share each, and none of it is left lying."""

from datetime import timedelta

import pytest

from scheduler_app.engine import passes
from scheduler_app.engine.crowd import FORGOTTEN_AFTER, Crowd
from scheduler_app.testing.clock import START


def test_who_was_too_late_with_most_of_a_batch_turns_to_its_share():
    crowd = Crowd(250)
    crowd.note(planned=250, fired=125)
    assert not crowd.is_there
    crowd.note(planned=250, fired=124)
    assert crowd.is_there
    crowd.note(planned=250, fired=250)
    assert crowd.is_there, "now each has its own"


def test_who_was_too_late_with_the_last_few_or_only_settles_learns_nothing_of_a_backlog():
    crowd = Crowd(250)
    crowd.note(planned=249, fired=0)
    crowd.note(planned=0, fired=0)
    assert not crowd.is_there


def test_less_than_a_batch_in_the_share_ends_it():
    crowd = Crowd(250)
    crowd.note(planned=250, fired=0)
    crowd.note(planned=0, fired=0)
    assert crowd.is_there, "a pass that only settles says nothing"
    crowd.note(planned=249, fired=249)
    assert not crowd.is_there


def test_the_shares_of_others_are_forgotten_after_some_batches_since_one_of_them_may_have_died():
    crowd = Crowd(250)
    crowd.note(planned=250, fired=0)
    for _ in range(FORGOTTEN_AFTER):
        assert crowd.is_there
        crowd.note(planned=250, fired=250)
    assert not crowd.is_there


@pytest.fixture
def commits(engine_at_hand, monkeypatch):
    """Let an engine commit, while another has planned and waits for its turn; how much each has planned, and fired."""
    monkeypatch.setattr(passes, "BATCH", 10)
    first, second = engine_at_hand(), engine_at_hand()
    for engine in (first, second):
        engine.registered()
    found: list[tuple[int, int]] = []

    def note(agenda) -> None:
        found.append((len(agenda.planned), len(agenda.fired)))

    def after_the_other(work):
        note(first.passes.step())
        return commit(work)

    commit, second.passes.write = second.passes.write, after_the_other

    def both(times: int) -> list[tuple[int, int]]:
        for _ in range(times):
            note(second.passes.step())
        return found

    return both


def test_two_engines_on_one_backlog_fire_each_job_once_and_plan_little_in_vain(
    scheduler, fake_clock, watch, nothing, commits
):
    names = [f"job{number}" for number in range(100)]
    for name in names:
        nothing.every(seconds=10, id=name)
    fake_clock._set(START + timedelta(seconds=10))

    found = commits(8)

    assert sum(fired for _, fired in found) == 100
    assert sum(planned - fired for planned, fired in found) < 30, found
    assert sum(len(watch.runs(name)) for name in names) == 100
