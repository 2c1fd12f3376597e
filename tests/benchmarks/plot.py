"""The figures as bars: an SVG that needs nothing but a viewer."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.benchmarks.targets import told, verdicts
from tests.benchmarks.workload import OURS, Contender, Results, middle, readable

WIDTH, LABELS, BAR, STEP, HEAD, LINE, FOOT = 960, 260, 22, 56, 64, 18, 20
ROOM = WIDTH - LABELS - 210
STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1f2933 }
  .title { font-weight: 600; font-size: 16px } .small { font-size: 11px; fill: #52606d }
  .ours { fill: #2563eb } .peer { fill: #9aa5b1 } .ceiling { fill: none; stroke: #9aa5b1; stroke-dasharray: 4 3 }
  .line { stroke: #2563eb; stroke-width: 1.5; fill: none }
  .spread { stroke: #1f2933; stroke-width: 1.5; fill: none }
"""


def write_plot(path: Path, found: Sequence[Results], note: str) -> None:
    """Write one panel for each workload, below each other."""
    tops, height = [], 0
    for results in found:
        tops.append(height)
        height += HEAD + STEP * len(results.plan.contenders) + LINE * len(results.plan.workload.targets) + FOOT
    shapes = [shape for results, top in zip(found, tops, strict=True) for shape in _panel(results, top)]
    path.write_text(document(shapes, height + 30, note), encoding="utf-8")


def document(shapes: Sequence[str], height: int, note: str) -> str:
    """Return an SVG of these shapes with a note below them."""
    size = f'width="{WIDTH}" height="{height}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {size}>'
    ground = f'<rect {size} fill="#ffffff"/>'
    shapes = [ground, *shapes, text(16, height - 12, note, "small")]
    return "\n".join([opening, f"<style>{STYLE}</style>", *shapes, "</svg>\n"])


def _panel(results: Results, top: int) -> Iterator[str]:
    """Draw one workload: who, the bar, the median with its spread; the line on a bar spans the rounds."""
    plan = results.plan
    better = "less" if plan.workload.less_is_better else "more"
    yield text(16, top + 28, f"{plan.workload.name}: {plan.workload.title}", "title")
    yield text(16, top + 47, f"{plan.workload.unit}, {better} is better; median and spread of {plan.scale}", "small")
    most = max((max(results.rates(contender.key), default=0.0) for contender in plan.contenders), default=0.0) or 1.0
    for number, contender in enumerate(plan.contenders):
        yield from _bar(results, contender, top + HEAD + STEP * number, ROOM / most)
    below = top + HEAD + STEP * len(plan.contenders)
    for number, verdict in enumerate(verdicts(results)):
        yield text(16, below + LINE * number + 10, told(verdict), "small")


def _bar(results: Results, contender: Contender, top: int, scale: float) -> Iterator[str]:
    rates = results.rates(contender.key)
    yield text(16, top + 15, contender.label)
    yield text(16, top + 36, contender.durability, "small")
    value = middle(rates)
    if value is None:
        yield text(LABELS + 8, top + 17, "not measured", "small")
        return
    kind, width = _kind(results, contender), value * scale
    yield f'<rect class="{kind}" x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR}"/>'
    least, most = LABELS + min(rates) * scale, LABELS + max(rates) * scale
    middle_line = top + BAR / 2
    yield f'<path class="spread" d="M{least:.1f} {middle_line - 4}v8m0-4H{most:.1f}m0-4v8"/>'
    yield text(most + 10, top + 16, f"{readable(value)}  ({readable(min(rates))} to {readable(max(rates))})")


def _kind(results: Results, contender: Contender) -> str:
    if contender.key.startswith(OURS):
        return "ours"
    return "ceiling" if contender in results.plan.workload.ceilings else "peer"


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return a line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'
