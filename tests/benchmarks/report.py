"""What was measured, as a table for the eye and as JSON for the record."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.targets import Verdict, told, verdicts
from tests.benchmarks.workload import OURS, Contender, Results, middle, spread

MORE = {
    "p50_ms": ("p50 ms", "{:.1f}"),
    "p99_ms": ("p99 ms", "{:.1f}"),
    "max_ms": ("max ms", "{:.1f}"),
    "cpu_percent": ("CPU %", "{:.1f}"),
    "process_ms": ("since the process ms", "{:,.0f}"),
    "engine_ms": ("since start() ms", "{:,.0f}"),
    "engine_cpu_ms": ("CPU of it ms", "{:,.0f}"),
    "smallest_rate": ("at 1/100", "{:,.1f}"),
    "middle_rate": ("at 1/10", "{:,.1f}"),
    "slope": ("slope", "{:+.2f}"),
    "resident_mib": ("resident MiB", "{:.0f}"),
    "cpu_us_each": ("CPU µs each", "{:,.0f}"),
    "server_cpu_us_each": ("CPU µs each", "{:,.0f}"),
    "executed_s": ("all executed s", "{:.2f}"),
    "service_cpu_us_each": ("service CPU µs each", "{:,.0f}"),
    "worker_cpu_us_each": ("worker's main", "{:,.0f}"),
    "pool_cpu_us_each": ("its pool", "{:,.0f}"),
    "broker_cpu_us_each": ("broker", "{:,.0f}"),
    "peak_mib": ("peak MiB", "{:.0f}"),
}


def table(results: Results) -> str:
    """Return one workload as text, with what survives a crash beside each figure."""
    workload, plan = results.plan.workload, results.plan
    names = [name for name in MORE if any(results.more(contender.key, name) for contender in plan.contenders)]
    heading = ["", f"{workload.unit}, median [min-max]", "ours / theirs", *(MORE[name][0] for name in names)]
    rows = [heading, *(_row(results, contender, names) for contender in plan.contenders)]
    lines = [f"{workload.name}: {workload.title}; {plan.scale} in turn", *aligned(rows), ""]
    lines += [f"  {contender.label}: {contender.durability}" for contender in plan.contenders]
    lines += [f"  {told(verdict)}" for verdict in verdicts(results)]
    return "\n".join([*lines, *(f"  ! {fault}" for fault in results.faults)])


def _row(results: Results, contender: Contender, names: Iterable[str]) -> list[str]:
    ratios = "" if contender.key == OURS else spread(results.ratios(contender.key))
    medians = [(MORE[name][1], middle(results.more(contender.key, name))) for name in names]
    figures = ["-" if value is None else form.format(value) for form, value in medians]
    return [contender.label, spread(results.rates(contender.key)), ratios, *figures]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, the first column to the left and all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def write_json(path: Path, found: Iterable[Results], machine: Mapping[str, Any]) -> None:
    """Write every round, so that anybody can compute the figures anew."""
    document = {"machine": machine, "workloads": [_document(results) for results in found]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _document(results: Results) -> dict[str, Any]:
    workload, plan = results.plan.workload, results.plan
    return {
        "name": workload.name,
        "title": workload.title,
        "unit": workload.unit,
        "jobs": plan.jobs,
        "rounds": plan.rounds,
        "settings": workload.settings,
        "contenders": {contender.key: _figures(results, contender) for contender in plan.contenders},
        "targets": [_target(verdict) for verdict in verdicts(results)],
        "faults": results.faults,
    }


def _target(verdict: Verdict) -> dict[str, Any]:
    return {"target": verdict.words, "reached": verdict.reached, "measured": _summary(verdict.values)}


def _figures(results: Results, contender: Contender) -> dict[str, Any]:
    key = contender.key
    names = sorted({name for found in results.rounds if key in found for name in found[key].more})
    return {
        "label": contender.label,
        "durability": contender.durability,
        "rate": _summary(results.rates(key)),
        "ours_over_theirs": None if key == OURS else _summary(results.ratios(key)),
        **{name: _summary(results.more(key, name)) for name in names},
    }


def _summary(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {"median": middle(values), "min": min(values), "max": max(values), "rounds": list(values)}
