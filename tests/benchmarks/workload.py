"""A workload: contenders measured in turn, round after round, so that what disturbs one round disturbs all of it."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Protocol

from tests.benchmarks.processes import StepError

Tell = Callable[[str], None]
OURS = "ours"
INSTALL = "pip install -e '.[bench]'"


@dataclass(frozen=True)
class Contender:
    """Who is measured, what survives a crash with it, and the modules that the extra `bench` brings for it."""

    key: str
    label: str
    durability: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """What must be reached: a figure of ours, or its ratio to the best of others, who may have a name."""

    figure: str = "rate"
    of: str = OURS
    against: tuple[str, ...] = ()
    name: str = ""
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is measured; `ceilings` bound what is possible and do not compete."""

    name: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    ceilings: tuple[Contender, ...] = ()
    settings: Mapping[str, str]
    targets: tuple[Target, ...] = ()
    less_is_better: bool = False

    def label_of(self, key: str) -> str:
        """Return how a contender is called."""
        return next(found.label for found in self.contenders + self.ceilings if found.key == key)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One contender in one round: the figure in the workload's unit, and further figures by name."""

    rate: float
    more: Mapping[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float | None:
        """Return a figure by its name, None where there is none."""
        return self.rate if name == "rate" else self.more.get(name)


class Measurable(Protocol):
    """A workload, and how it is measured; `prepare` may make a store that each round gets a copy of."""

    @property
    def workload(self) -> Workload:
        """What is measured."""

    def prepare(self, contender: str, folder: Path, jobs: int, /) -> None:
        """Make what each round needs."""

    def measure(self, contender: str, folder: Path, jobs: int, /) -> Measured:
        """Measure one contender once."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of a workload to measure."""

    what: Measurable
    jobs: int
    rounds: int

    @property
    def workload(self) -> Workload:
        """What is measured."""
        return self.what.workload

    @property
    def scale(self) -> str:
        """How much was measured, in words."""
        return f"{self.rounds} round{'s' * (self.rounds != 1)} of {self.jobs:,} jobs"

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Who takes part."""
        return self.workload.contenders + self.workload.ceilings


@dataclass(kw_only=True)
class Results:
    """What was measured, round by round; a step that failed is a sentence, and its round has no figure for it."""

    plan: Plan
    rounds: list[dict[str, Measured]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def rates(self, contender: str) -> list[float]:
        """Return the rates of a contender."""
        return [found[contender].rate for found in self.rounds if contender in found]

    def more(self, contender: str, name: str) -> list[float]:
        """Return a further figure of a contender, from the rounds that have it."""
        figures = [found[contender].figure(name) for found in self.rounds if contender in found]
        return [figure for figure in figures if figure is not None]

    def ratios(self, contender: str) -> list[float]:
        """Return ours over theirs, from the rounds that measured both."""
        both = [found for found in self.rounds if OURS in found and contender in found]
        return [found[OURS].rate / found[contender].rate for found in both]


def middle(values: Iterable[float]) -> float | None:
    """Return the median; None of nothing."""
    known = list(values)
    return median(known) if known else None


def readable(value: float) -> str:
    """Return a figure without digits that say nothing."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Return `median [least-most]`, or a dash for nothing."""
    found = middle(values)
    if found is None:
        return "-"
    return f"{readable(found)} [{readable(min(values))}-{readable(max(values))}]"


def measure(plan: Plan, folder: Path, tell: Tell) -> Results:
    """Prepare every contender, then measure them in turn."""
    results = Results(plan=plan)
    ready = [contender for contender in plan.contenders if _prepared(contender, folder, results, tell)]
    for number in range(1, plan.rounds + 1):
        found: dict[str, Measured] = {}
        results.rounds.append(found)
        for contender in ready:
            _measure_one(contender, folder, found, results, _numbered(tell, number, plan.rounds))
    return results


def _numbered(tell: Tell, number: int, rounds: int) -> Tell:
    return lambda text: tell(f"round {number} of {rounds}: {text}")


def _prepared(contender: Contender, folder: Path, results: Results, tell: Tell) -> bool:
    if missing := [name for name in contender.needs if find_spec(name) is None]:
        _note(results, tell, f"{contender.label}: not measured, no {', '.join(missing)} here: {INSTALL}")
        return False
    home = folder / f"{contender.key}-filled"
    home.mkdir(parents=True)
    try:
        results.plan.what.prepare(contender.key, home, results.plan.jobs)
    except (StepError, OSError) as error:
        _note(results, tell, f"{contender.label}: cannot be prepared: {error}")
        return False
    tell(f"{contender.label}: ready")
    return True


def _measure_one(contender: Contender, folder: Path, found: dict[str, Measured], results: Results, tell: Tell) -> None:
    """Measure a contender on a fresh copy of its store, which is removed afterwards."""
    plan = results.plan
    home = folder / f"{contender.key}-round"
    shutil.copytree(folder / f"{contender.key}-filled", home)
    try:
        measured = plan.what.measure(contender.key, home, plan.jobs)
    except (StepError, OSError) as error:
        _note(results, tell, f"{contender.label}: FAILED: {error}")
    else:
        found[contender.key] = measured
        tell(f"{contender.label}: {readable(measured.rate)} {plan.workload.unit}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _note(results: Results, tell: Tell, text: str) -> None:
    results.faults.append(text)
    tell(text)
