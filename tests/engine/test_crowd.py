"""Engines that fire from one backlog leave to each other what each is about to fire."""

from collections import deque

from scheduler_app.engine.crowd import FORGOTTEN_AFTER, MOST_OTHERS, Crowd


def test_who_was_too_late_with_a_batch_looks_behind_the_batch_of_one_more_other():
    crowd = Crowd(250)
    crowd.note(planned=250, fired=250)
    assert crowd.skip == 0
    crowd.note(planned=250, fired=0)
    assert crowd.skip == 250
    crowd.note(planned=250, fired=100)
    assert crowd.skip == 500
    crowd.note(planned=250, fired=250)
    assert crowd.skip == 500, "now each has its own"


def test_who_was_too_late_with_the_last_few_or_only_settles_learns_nothing_of_a_backlog():
    crowd = Crowd(250)
    crowd.note(planned=249, fired=0)
    crowd.note(planned=0, fired=0)
    assert crowd.skip == 0


def test_what_is_left_to_others_is_bounded_and_forgotten_since_one_of_them_may_have_died():
    crowd = Crowd(250)
    for _ in range(FORGOTTEN_AFTER):
        crowd.note(planned=250, fired=0)
    assert crowd.skip == MOST_OTHERS * 250
    crowd.note(planned=250, fired=250)
    assert crowd.skip == 0


def test_what_is_left_to_engines_that_are_gone_is_fired_although_jobs_come_due_all_the_time():
    crowd, backlog = Crowd(250), deque(range(1_000))
    crowd.note(planned=250, fired=0)
    for number in range(1_000, 1_010):
        backlog.append(number)
        behind = [*backlog][crowd.skip : crowd.skip + 250] or [*backlog][:250]
        backlog = deque(job for job in backlog if job not in behind)
        crowd.note(planned=len(behind), fired=len(behind))
    assert not backlog or min(backlog) >= 1_000
