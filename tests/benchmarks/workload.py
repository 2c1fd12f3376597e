"""A workload: contenders measured in turn, round after round, so that what disturbs one round disturbs all of it."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from tests.benchmarks.processes import StepError

Tell = Callable[[str], None]
OURS = "ours"


@dataclass(frozen=True)
class Contender:
    """Who is measured, and what survives a crash with it."""

    key: str
    label: str
    durability: str


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is measured; `ceilings` are measured on request, they bound what is possible and do not compete."""

    name: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    ceilings: tuple[Contender, ...] = ()
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One contender in one round: how many a second, and further figures by name."""

    rate: float
    more: Mapping[str, float] = field(default_factory=dict)


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
    with_ceilings: bool = False

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
        return self.workload.contenders + (self.workload.ceilings if self.with_ceilings else ())


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
        measured = [found[contender].more for found in self.rounds if contender in found]
        return [more[name] for more in measured if name in more]

    def ratios(self, contender: str) -> list[float]:
        """Return ours over theirs, from the rounds that measured both."""
        both = [found for found in self.rounds if OURS in found and contender in found]
        return [found[OURS].rate / found[contender].rate for found in both]


def middle(values: Iterable[float]) -> float | None:
    """Return the median; None of nothing."""
    known = list(values)
    return median(known) if known else None


def measure(plan: Plan, folder: Path, tell: Tell) -> Results:
    """Prepare every contender, then measure them in turn."""
    results = Results(plan=plan)
    ready = [contender for contender in plan.contenders if _prepared(contender, folder, results, tell)]
    for number in range(1, plan.rounds + 1):
        found: dict[str, Measured] = {}
        results.rounds.append(found)
        for contender in ready:
            _measure_one(contender, folder, found, results, _numbered(tell, number))
    return results


def _numbered(tell: Tell, number: int) -> Tell:
    return lambda text: tell(f"round {number}: {text}")


def _prepared(contender: Contender, folder: Path, results: Results, tell: Tell) -> bool:
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
        tell(f"{contender.label}: {measured.rate:,.0f} {plan.workload.unit}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _note(results: Results, tell: Tell, text: str) -> None:
    results.faults.append(text)
    tell(text)
