"""What the reports say of rounds that were measured, here of rounds that a test gives."""

import json
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks import ceiling, soak, workload
from tests.benchmarks.__main__ import WORKLOADS
from tests.benchmarks.plot import write_plot
from tests.benchmarks.report import table, write_json
from tests.benchmarks.soak import Sample
from tests.benchmarks.soak_plot import write_soak_plot
from tests.benchmarks.targets import verdicts
from tests.benchmarks.workload import Contender, Measured, Plan, Results, Target, Workload

SVG = "{http://www.w3.org/2000/svg}"
RACE = Workload(
    name="R1",
    title="A race",
    unit="jobs/s",
    contenders=(
        Contender("ours", "ours", "on disk"),
        Contender("fast", "fast", "in memory"),
        Contender("slow", "slow", "on paper"),
    ),
    settings={},
    targets=(
        Target(at_least=0.5, against=("fast", "slow"), name="the best"),
        Target(at_least=3, against=("slow",)),
        Target(figure="p99_ms", at_most=6),
        Target(at_least=1, against=("ours-absent",), name="who was not there"),
    ),
)


class Race:
    """Gives each contender the same figures in each round, and remembers who was asked."""

    workload = RACE

    def __init__(self) -> None:
        self.asked: list[str] = []

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Nothing is needed."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        self.asked.append(contender)
        rates = {"ours": 100.0 + len(self.asked), "fast": 160.0, "slow": 40.0}
        return Measured(rate=rates[contender], more={"p99_ms": 7.0} if contender == "ours" else {})


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Three rounds."""
    return workload.measure(Plan(what=Race(), jobs=100, rounds=3), tmp_path, lambda _: None)


def test_contenders_take_turns(tmp_path):
    race = Race()
    workload.measure(Plan(what=race, jobs=100, rounds=2), tmp_path, lambda _: None)
    assert race.asked == ["ours", "fast", "slow"] * 2


def test_a_table_tells_medians_spreads_ratios_durability_and_targets(results):
    told = table(results)
    assert "104 [101-107]" in told  # of the rounds' 101, 104 and 107
    assert "0.65 [0.631-0.669]" in told  # over 160
    assert "fast: in memory" in told
    assert "target ours: ≥ 0.5 × the best: 0.65 [0.631-0.669], reached" in told
    assert "target ours: ≥ 3 × slow: 2.6 [2.52-2.67], NOT reached" in told
    assert "target ours, p99_ms: ≤ 6: 7 [7-7], NOT reached" in told
    assert "who was not there: -, not measured" in told


def test_the_record_has_every_round_and_each_target(results, tmp_path):
    write_json(tmp_path / "results.json", [results], {"cpu": "abacus"})
    document = json.loads((tmp_path / "results.json").read_text())
    (race,) = document["workloads"]
    assert document["machine"] == {"cpu": "abacus"}
    assert race["contenders"]["ours"]["rate"] == {"median": 104, "min": 101, "max": 107, "rounds": [101, 104, 107]}
    assert [target["reached"] for target in race["targets"]] == [True, False, False, None]


def test_a_plot_has_a_bar_for_each_and_a_line_for_each_target(results, tmp_path):
    write_plot(tmp_path / "results.svg", [results, results], "a note")
    drawn = ElementTree.parse(tmp_path / "results.svg")
    kinds = [shape.get("class") for shape in drawn.iter(f"{SVG}rect")]
    assert kinds.count("ours") == 2 and kinds.count("peer") == 4
    assert sum("target" in (text.text or "") for text in drawn.iter(f"{SVG}text")) == 2 * len(RACE.targets)


def test_who_is_not_installed_is_told_with_how_to_install_it(tmp_path):
    class Lonely(Race):
        workload = Workload(
            name="R2",
            title="A lonely race",
            unit="jobs/s",
            contenders=(RACE.contenders[0], Contender("fast", "fast", "in memory", ("no_such_module",))),
            settings={},
        )

    results = workload.measure(Plan(what=Lonely(), jobs=100, rounds=1), tmp_path, lambda _: None)
    assert "fast: not measured, no no_such_module here: pip install -e '.[bench]'" in table(results)
    assert results.rates("ours") and not results.rates("fast")


@pytest.mark.parametrize("name", WORKLOADS)
def test_targets_name_only_who_takes_part(name):
    what = WORKLOADS[name][0].workload
    keys = {contender.key for contender in what.contenders + what.ceilings}
    assert keys >= {key for target in what.targets for key in (target.of, *target.against)}
    assert [verdict.reached for verdict in verdicts(Results(plan=Plan(what=WORKLOADS[name][0], jobs=1, rounds=1)))] == [
        None
    ] * len(what.targets)


def test_the_ceiling_fires_and_settles_each_job_once(tmp_path):
    ceiling.fill(tmp_path / "store.db", 600)
    loop = ceiling.Loop(tmp_path / "store.db", threads=4)
    loop.start()
    loop.join(60)
    with closing(ceiling.connect(tmp_path / "store.db")) as store:
        ended = store.execute("SELECT count(*), count(DISTINCT job) FROM runs WHERE state = 'succeeded'").fetchone()
    assert ended == (600, 600)


def sample(at: int, **changes: float) -> Sample:
    steady = {"executed": 100, "waiting": 3, "p50_ms": 2, "p99_ms": 9, "files": 30, "threads": 20, "store_mib": at}
    return Sample(at=at, memory_mib=90, **(steady | changes))


def test_a_soak_is_steady_when_its_end_is_like_its_beginning():
    found = soak.judged([sample(at) for at in range(1, 101)], wanted=100)
    assert [is_ok for is_ok, _ in found.values()] == [True] * 6
    growing = soak.judged([sample(at, files=30 + at // 5, p99_ms=at) for at in range(1, 101)], wanted=110)
    assert {name for name, (is_ok, _) in growing.items() if not is_ok} == {"files", "p99_ms", "executed a second"}


def test_a_soak_is_drawn_over_time(tmp_path):
    samples = [vars(sample(at)) for at in range(1, 5)]
    write_soak_plot(tmp_path / "soak.svg", {"rate": 80, "minutes": 30, "samples": samples}, "a note")
    lines = list(ElementTree.parse(tmp_path / "soak.svg").iter(f"{SVG}polyline"))
    assert len(lines) == 8 and all(len(str(line.get("points")).split()) == 4 for line in lines)
