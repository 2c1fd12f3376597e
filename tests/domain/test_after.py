"""The order of chains, and how the trigger `after` is read."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_app.domain.after import ENDS, MOST_LINKS, On, chain_of, parents_first
from scheduler_app.domain.firing import plan_firing
from scheduler_app.domain.policy import Policies
from scheduler_app.domain.run import FINAL_STATES, MissedRange, Reason, RunState
from scheduler_app.domain.trigger import admit_trigger, parse_trigger

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = "abcdefgh"
# each job with the one it comes after, if any: any graph, circles and missing jobs included
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES + "z"))


def test_every_state_is_an_end_that_fires_or_was_never_executed():
    assert ENDS[On.SUCCESS] | ENDS[On.FAILURE] | {RunState.CANCELLED} == ENDS[On.FINISH]
    assert not ENDS[On.SUCCESS] & ENDS[On.FAILURE]
    assert set(FINAL_STATES) - ENDS[On.FINISH] == {RunState.MISSED, RunState.SKIPPED}


@given(graph=GRAPHS, order=st.randoms(use_true_random=False))
def test_each_item_stands_behind_the_one_it_comes_after_unless_they_are_a_circle(graph, order):
    items = list(graph)
    order.shuffle(items)
    ordered = parents_first(items, key=lambda item: item, parent=graph.get)
    assert sorted(ordered) == sorted(items)
    for at, item in enumerate(ordered):
        parent = graph[item]
        if parent in graph and graph_ends(graph, item):
            assert parent in ordered[:at]
    if not any(graph.values()):
        assert ordered == items


def graph_ends(graph, item) -> bool:
    """Whether the way up from an item ends."""
    met = set()
    while item is not None and item not in met:
        met.add(item)
        item = graph.get(item)
    return item is None


@given(graph=GRAPHS)
def test_a_chain_ends_where_the_way_up_does_or_with_the_job_itself_or_is_too_long(graph):
    for job, parent in graph.items():
        if parent is None:
            continue
        chain = chain_of(job, parent, graph.get)
        assert all(graph.get(one) == other for one, other in itertools.pairwise(chain))
        if chain[-1] == job:
            assert len(set(chain)) == len(chain) - 1
        elif graph_ends(graph, job):
            assert graph.get(chain[-1]) is None
        else:
            assert len(chain) == MOST_LINKS + 1, "it leads into a circle that it is no part of"


def test_it_has_no_times_and_says_so_to_every_question():
    trigger = admit_trigger({"type": "after", "job": "a"}, now=NOW)
    assert trigger.spec == {"type": "after", "job": "a", "on": "success"}
    assert (trigger.first(NOW), trigger.after(NOW), trigger.at_or_before(NOW)) == (None, None, None)
    assert (trigger.schedule.count(NOW, NOW), trigger.warnings()) == (0, [])
    assert parse_trigger(trigger.spec, now=NOW) == trigger


LATE = NOW + timedelta(seconds=61)
ENDED_AT = ((MissedRange(since=NOW, until=NOW, count=1), Reason.GRACE),)


@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize(
    ("grace", "skip", "then", "expected"),
    [
        (None, 0, LATE, ((NOW,), (), ())),
        (60, 0, LATE, ((), (), ENDED_AT)),
        (61, 0, LATE, ((NOW,), (), ())),
        (60, 0, NOW, ((NOW,), (), ())),
        (60, 1, LATE, ((), (NOW,), ())),  # who asks to leave one out means the next, late or not
    ],
)
def test_an_end_is_planned_as_a_single_firing(coalesce, grace, skip, then, expected):
    trigger = parse_trigger({"type": "after", "job": "a"}, now=NOW)
    policies = Policies(misfire_grace_time=grace, coalesce=coalesce)
    plan = plan_firing(trigger, NOW, policies, then, skip)
    assert (plan.runs, plan.skipped, plan.missed, plan.next_run_time) == (*expected, None)
