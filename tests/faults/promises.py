"""The promises, told from outside: what was accepted is what a client was answered, what was executed is what the
witness file says."""

from collections import Counter

from scheduler_app.cli.audit import audit_store
from scheduler_app.settings import Settings
from tests.faults.chaos import FIRING, INTERVAL, Chaos, moment, slots_between, slots_of, unfinished
from tests.service.harness import Service


def all_are_kept(chaos: Chaos) -> None:
    """Check everything that must be true when the work has drained."""
    assert unfinished(chaos.runs()) == []
    no_accepted_job_was_lost(chaos)
    what_was_not_answered_is_there_whole_or_not_at_all(chaos)
    nothing_began_twice_that_may_not(chaos)
    every_slot_was_recorded_once(chaos)
    the_audit_finds_no_breach(chaos.service)


def no_accepted_job_was_lost(chaos: Chaos) -> None:
    runs, ended = chaos.runs(), Counter(mark.run for mark in chaos.service.marks("end"))
    assert chaos.accepted
    for one in chaos.accepted:
        run = runs[one.run]
        allowed = {"succeeded"} if one.delivery == "at_least_once" else {"succeeded", "lost"}
        assert run["state"] in allowed, f"{run['state']}: {run}"
        assert run["state"] == "lost" or ended[one.run] >= 1, f"nobody saw the end of {run}"


def what_was_not_answered_is_there_whole_or_not_at_all(chaos: Chaos) -> None:
    found = Counter(run["job_id"] for run in chaos.service.runs())
    for job in chaos.unanswered:
        there = chaos.service.client.get(f"/jobs/{job}").status_code
        assert (there, found[job]) in ((200, 1), (404, 0)), job


def nothing_began_twice_that_may_not(chaos: Chaos) -> None:
    once = {one.run for one in chaos.accepted if one.delivery == "at_most_once"}
    begun = Counter(mark.run for mark in chaos.service.marks("begin"))
    assert {run: count for run, count in begun.items() if run in once and count > 1} == {}


def every_slot_was_recorded_once(chaos: Chaos) -> None:
    for name in FIRING:
        job = chaos.service.get(f"/jobs/{name}")
        first = moment(job["trigger"]["start_date"])
        due = [slot for slot in slots_between(first, moment(job["updated_at"])) if slot > moment(job["created_at"])]
        runs = [run for run in chaos.service.runs(job_id=name) if run["origin"] == "schedule"]
        assert slots_of(runs) == due, f"of {name}, every {INTERVAL}"
        assert {run["state"] for run in runs} <= {"succeeded", "missed", "skipped"}


def the_audit_finds_no_breach(service: Service) -> None:
    """Audit the store as the command does, whether the service works on it or not."""
    assert audit_store(Settings(data=service.data, database=service.database), as_json=False), "see what it told"
