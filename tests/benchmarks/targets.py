"""What a workload must reach, and whether it was reached in the rounds that were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.workload import Measured, Results, Target, Workload, middle, spread


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A target in words, what was measured of it round by round, and whether the median reaches it."""

    words: str
    values: Sequence[float]
    reached: bool | None


def verdicts(results: Results) -> list[Verdict]:
    """Judge every target of a workload."""
    return [_judged(results, target) for target in results.plan.workload.targets]


def _judged(results: Results, target: Target) -> Verdict:
    values = [value for found in results.rounds if (value := value_of(target, found)) is not None]
    return Verdict(words=in_words(target, results.plan.workload), values=values, reached=_reached(target, values))


def value_of(target: Target, found: Mapping[str, Measured]) -> float | None:
    """Return the figure, or its ratio to the best of those that this round measured; None when there is none."""
    figures = {key: figure for key, one in found.items() if (figure := one.figure(target.figure)) is not None}
    ours = figures.get(target.of)
    theirs = [figures[key] for key in target.against if key in figures]
    if ours is None or (target.against and not theirs):
        return None
    best = min if target.at_least is None else max
    return ours / best(theirs) if theirs else ours


def told(verdict: Verdict) -> str:
    """Return a target beside what was measured of it."""
    word = {True: "reached", False: "NOT reached", None: "not measured"}[verdict.reached]
    return f"target {verdict.words}: {spread(verdict.values)}, {word}"


def _reached(target: Target, values: Sequence[float]) -> bool | None:
    found = middle(values)
    if found is None:
        return None
    return (target.at_least is None or found >= target.at_least) and (target.at_most is None or found <= target.at_most)


def in_words(target: Target, workload: Workload) -> str:
    """Return a target as the table shows it."""
    bound = f"≥ {target.at_least:,g}" if target.at_most is None else f"≤ {target.at_most:,g}"
    of = f"{workload.label_of(target.of)}{'' if target.figure == 'rate' else f', {target.figure}'}"
    others = target.name or ", ".join(map(workload.label_of, target.against))
    return f"{of}: {bound} × {others}" if others else f"{of}: {bound}"
