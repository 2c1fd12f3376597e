"""A soak as lines over time, one panel for each thing that was watched."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.plot import document, text
from tests.benchmarks.workload import readable

WIDTH, HEIGHT, LEFT, RIGHT = 960, 130, 90, 24
PANELS = (
    ("executed", "runs executed between two looks"),
    ("waiting", "runs that wait"),
    ("p50_ms", "lateness, median, ms"),
    ("p99_ms", "lateness, p99, ms"),
    ("memory_mib", "resident memory, MiB"),
    ("files", "open files and sockets"),
    ("threads", "threads"),
    ("store_mib", "size of the store, MiB"),
)


def write_soak_plot(path: Path, found: Mapping[str, Any], note: str) -> None:
    """Write the panels below each other."""
    title = f"{found['rate']:,.0f} one-offs a second for {found['minutes']:g} minutes"
    shapes = [text(16, 28, title, "title")]
    for number, (name, meaning) in enumerate(PANELS):
        shapes += _panel(found["samples"], name, meaning, 50 + number * HEIGHT)
    path.write_text(document(shapes, 70 + HEIGHT * len(PANELS), note), encoding="utf-8")


def _panel(samples: Sequence[Mapping[str, float]], name: str, meaning: str, top: int) -> Iterator[str]:
    """Draw one line above a floor of zero."""
    values = [sample[name] for sample in samples]
    most, last = max(values, default=0.0) or 1.0, samples[-1]["at"] if samples else 1.0
    floor, room = top + HEIGHT - 24, HEIGHT - 50
    points = [
        f"{LEFT + sample['at'] / last * (WIDTH - LEFT - RIGHT):.1f},{floor - sample[name] / most * room:.1f}"
        for sample in samples
    ]
    yield text(LEFT, top + 12, meaning)
    yield text(16, floor - room + 4, readable(most), "small")
    yield text(16, floor, "0", "small")
    yield f'<path class="spread" d="M{LEFT} {floor}H{WIDTH - RIGHT}"/>'
    yield f'<polyline class="line" points="{" ".join(points)}"/>'
