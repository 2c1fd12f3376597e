"""`or` and `and`: the union of firings and what they have in common, within bounds, however they are nested."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from time import process_time
from typing import Any

import pytest
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger

from scheduler_app.domain.combining import DEEPEST, MOST_TRIGGERS
from scheduler_app.domain.due import due, firings, preview
from scheduler_app.domain.trigger import Trigger, admit_trigger, parse_trigger
from scheduler_app.errors import InvalidTrigger
from tests.seeds import mostly_slow

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NINE = {"type": "cron", "hour": 9}
NEVER = [
    {"type": "interval", "seconds": 10, "start_date": "2027-01-01T00:00:00Z"},
    {"type": "interval", "seconds": 10, "start_date": "2027-01-01T00:00:05Z"},
]


def any_of(*triggers: dict[str, Any]) -> Trigger:
    return parse_trigger({"type": "or", "triggers": list(triggers)}, now=NOW)


def all_of(*triggers: dict[str, Any]) -> Trigger:
    return parse_trigger({"type": "and", "triggers": list(triggers)}, now=NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def until(trigger: Trigger, end: datetime) -> set[datetime]:
    return set(takewhile(lambda firing: firing <= end, firings(trigger, NOW)))


def a_leaf(dice: random.Random) -> dict[str, Any]:
    return dice.choice(
        [
            {"type": "cron", "minute": dice.choice(["*/5", "*/7", "0,30", "*"])},
            {"type": "cron", "expression": dice.choice(["*/6 * * * *", "15 * * * *", "* 3-9 * * *", "0 9 * * 1-5"])},
            {"type": "interval", "minutes": dice.choice([3, 4, 10]), "start_date": "2026-11-20T00:00:00Z"},
            {"type": "calendarinterval", "days": 1, "hour": dice.randrange(24), "start_date": "2026-11-01"},
            {"type": "date", "run_date": "2026-11-23T09:00:00Z"},
        ]
    )


@pytest.mark.parametrize("seed", mostly_slow(range(40), fast=8))
def test_nested_combinations_are_unions_and_intersections_of_sets(seed: int) -> None:
    dice = random.Random(seed)
    end = NOW + timedelta(days=2)

    def build(depth: int) -> tuple[dict[str, Any], set[datetime]]:
        if depth == DEEPEST or (depth > 1 and dice.random() < 0.5):
            leaf = a_leaf(dice)
            return leaf, until(parse_trigger(leaf, now=NOW), end)
        parts = [build(depth + 1) for _ in range(dice.randint(1, 3))]
        kind = dice.choice(["or", "and"])
        merge = set.union if kind == "or" else set.intersection
        return {"type": kind, "triggers": [spec for spec, _ in parts]}, merge(*(found for _, found in parts))

    spec, expected = build(1)
    trigger = parse_trigger(spec, now=NOW)
    moment, found = NOW, []
    for firing in sorted(expected):
        assert trigger.after(moment) == firing, spec
        found.append(firing)
        moment = firing
    assert back(trigger, sorted(expected)) == sorted(expected)
    assert trigger.schedule.count(min(expected, default=NOW), end) in (len(expected), None) if expected else True


def back(trigger: Trigger, expected: list[datetime]) -> list[datetime]:
    found = []
    for firing in reversed(expected):
        found.append(trigger.at_or_before(firing))
        earlier = trigger.at_or_before(firing - MICROSECOND)
        assert earlier is None or earlier <= NOW or earlier in expected
    return found[::-1]


@pytest.mark.parametrize(("kind", "theirs"), [("or", OrTrigger), ("and", AndTrigger)])
def test_of_cron_triggers_it_gives_what_apscheduler_gives(kind: str, theirs: type) -> None:
    dice = random.Random(kind)
    for _ in range(40):
        shapes: list[dict[str, Any]] = [
            {"hour": dice.choice(["*", "*/3", "8-18"]), "minute": dice.choice(["*/10", "*/15", "0"])},
            {
                "day_of_week": dice.choice(["mon-fri", "sat,sun", "*"]),
                "hour": "*",
                "minute": dice.choice(["*/4", "*/5"]),
            },
        ]
        expected = theirs([CronTrigger(**shape, timezone="UTC") for shape in shapes])
        trigger = parse_trigger({"type": kind, "triggers": [{"type": "cron", **shape} for shape in shapes]}, now=NOW)
        moment = NOW + timedelta(seconds=dice.randrange(10**7))
        assert trigger.after(moment) == expected.get_next_fire_time(None, moment + MICROSECOND)


def test_and_is_the_earliest_time_on_which_all_agree() -> None:
    first_friday = all_of({"type": "cron", "day": "1-7", "hour": 9}, {"type": "cron", "day_of_week": "fri", "hour": 9})
    assert preview(first_friday, NOW, 2) == [at("2026-12-04T09:00Z"), at("2027-01-01T09:00Z")]


def test_and_ends_when_one_of_its_triggers_does_and_or_when_all_do() -> None:
    once = {"type": "date", "run_date": "2026-11-23T09:00:00Z"}
    assert preview(all_of(NINE, once), NOW, 5) == [at("2026-11-23T09:00Z")]
    twice = any_of(once, {"type": "date", "run_date": "2026-11-25T09:00:00Z"})
    assert preview(twice, NOW, 5) == [at("2026-11-23T09:00Z"), at("2026-11-25T09:00Z")]


def test_a_time_on_which_several_fire_is_one_firing() -> None:
    assert preview(any_of(NINE, NINE, {"type": "cron", "hour": "9,10"}), NOW, 3) == [
        at("2026-11-23T09:00Z"),
        at("2026-11-23T10:00Z"),
        at("2026-11-24T09:00Z"),
    ]


def test_a_past_date_inside_or_does_not_wake_the_past_of_the_others() -> None:
    trigger = any_of(NINE, {"type": "date", "run_date": "2020-01-01T00:00:00Z"})
    assert trigger.first(NOW) == at("2026-11-23T09:00Z")


def test_starts_inside_are_filled_in_and_kept() -> None:
    trigger = any_of({"type": "interval", "minutes": 5}, {"type": "calendarinterval", "days": 1})
    assert [inner["start_date"] for inner in trigger.spec["triggers"]] == ["2026-11-22T12:05:00Z", "2026-11-22"]
    again = parse_trigger(trigger.spec, now=NOW + timedelta(days=999))
    assert again == trigger
    assert again.after(NOW) == trigger.after(NOW)


def test_what_is_due_of_a_combination_is_told_and_counted() -> None:
    trigger = any_of({"type": "cron", "minute": 0}, {"type": "cron", "minute": 30})
    found = due(trigger, at("2026-11-22T12:30Z"), at("2026-11-23T12:00Z"))
    assert (found.latest, found.next) == (at("2026-11-23T12:00Z"), at("2026-11-23T12:30Z"))
    assert found.earlier is not None
    assert found.earlier.count == 47


def test_a_count_that_is_not_soon_told_is_left_open() -> None:
    trigger = any_of({"type": "cron", "second": "*"})
    assert trigger.schedule.count(NOW, NOW + timedelta(days=1)) is None


def nested(depth: int) -> dict[str, Any]:
    return NINE if depth <= 1 else {"type": "or", "triggers": [nested(depth - 1)]}


@pytest.mark.parametrize(
    ("spec", "pointer", "said"),
    [
        ({"type": "or"}, "/triggers", "must be a list of triggers, got null"),
        ({"type": "or", "triggers": []}, "/triggers", "must be at least one trigger"),
        ({"type": "and", "triggers": {}}, "/triggers", "got an object"),
        ({"type": "and", "triggers": "x"}, "/triggers", "got 'x'"),
        ({"type": "and", "triggers": [5]}, "/triggers/0", "must be an object"),
        ({"type": "or", "triggers": [NINE, {"type": "corn"}]}, "/triggers/1/type", "did you mean 'cron'?"),
        ({"type": "or", "triggers": [NINE, {"type": "cron", "hour": 25}]}, "/triggers/1/hour", "'hour' has '25'"),
        (
            {"type": "or", "triggers": [{"type": "and", "triggers": [NINE, {"type": "cron", "hours": 1}]}]},
            "/triggers/0/triggers/1/hours",
            "did you mean 'hour'?",
        ),
        (
            {"type": "or", "triggers": [NINE], "end_date": "2030-01-01T00:00Z"},
            "/end_date",
            "allowed are jitter, triggers",
        ),
        ({"type": "or", "triggers": [NINE | {"jitter": 5}]}, "/triggers/0/jitter", "in the outermost trigger only"),
        (nested(DEEPEST + 1), "/triggers", f"be {DEEPEST} deep"),
        (nested(60), "/triggers", f"be {DEEPEST} deep"),
        ({"type": "or", "triggers": [NINE] * (MOST_TRIGGERS + 1)}, "/triggers", f"may hold {MOST_TRIGGERS} triggers"),
        # never, or not within the budget
        ({"type": "and", "triggers": NEVER}, "/triggers", "more than 10,000 steps"),
        ({"type": "and", "triggers": [NINE, {"type": "cron", "hour": 10}]}, "/triggers", "more than 10,000 steps"),
        (
            {"type": "or", "triggers": [NINE, {"type": "and", "triggers": NEVER}]},
            "/triggers",
            "more than 10,000 steps",
        ),
        ({"type": "or", "triggers": [{"type": "date", "run_date": "2020-01-01T00:00Z"}]}, "/triggers", "has no firing"),
    ],
)
def test_what_cannot_be_is_refused_by_the_place_of_its_field(spec: dict[str, Any], pointer: str, said: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        admit_trigger(spec, now=NOW)
    assert refusal.value.faults[0].pointer == pointer
    assert said in refusal.value.faults[0].detail


def test_faults_in_several_triggers_are_told_at_once() -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        any_of({"type": "cron", "hour": 25}, NINE, {"type": "interval", "seconds": -1})
    assert [fault.pointer for fault in refusal.value.faults] == ["/triggers/0/hour", "/triggers/2/seconds"]


def test_the_greatest_combination_is_accepted() -> None:
    assert admit_trigger(nested(DEEPEST), now=NOW).first(NOW) == at("2026-11-23T09:00Z")
    assert admit_trigger({"type": "or", "triggers": [NINE] * MOST_TRIGGERS}, now=NOW).first(NOW)


def test_a_hopeless_search_ends_soon_however_it_is_nested() -> None:
    inner: Iterable[dict[str, Any]] = [{"type": "and", "triggers": NEVER} for _ in range(8)]
    spec = {"type": "and", "triggers": [{"type": "or", "triggers": list(inner)}, *NEVER]}
    began = process_time()
    with pytest.raises(InvalidTrigger):
        admit_trigger(spec, now=NOW)
    assert process_time() - began < 1.0


def test_it_is_told_in_words_and_warns_for_its_parts() -> None:
    trigger = any_of({"type": "cron", "hour": 9}, {"type": "cron", "second": "*"})
    assert trigger.describe() == "At 09:00 (UTC); or every second (UTC)"
    assert "Of trigger 1: It fires every second of each matching minute." in trigger.warnings()
