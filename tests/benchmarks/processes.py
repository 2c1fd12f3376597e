"""Child processes: each with a time limit, stopped by its own pid, in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 40.0
# what is not compiled at each start has been compiled before, as what is installed was
FOREIGN = ("SCHEDULER_", "FLASK_", "GUNICORN_", "PYTHONDONTWRITEBYTECODE")


class StepError(Exception):
    """A child process did not do what it was started for."""


def environment() -> dict[str, str]:
    """Return the environment without what would configure our service or Flask from outside."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    return kept | {"PYTHONPATH": str(ROOT)}


def result_of(module: str, arguments: Sequence[str], *, seconds: float, **variables: str) -> Mapping[str, Any]:
    """Run a module of this package to its end and return the last line it prints, read as JSON; {} if it is silent."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=environment() | variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{module} {arguments[0]}: not over after {seconds:g} s") from error
    if ended.returncode != 0:
        raise StepError(f"{module} {arguments[0]}: exit status {ended.returncode}: {ended.stderr.strip()[-400:]}")
    lines = ended.stdout.strip().splitlines()
    result: Mapping[str, Any] = json.loads(lines[-1]) if lines else {}
    return result


@contextmanager
def running(command: Sequence[str], log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block lasts; it has a group of its own, so that what it forks ends with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment() | variables, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server gently, and after a while with its whole group."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
