"""Tasks that leave a mark outside the store: what a run did is told by the witness file, whatever the store says."""

import ctypes
import json
import os
import sys
import time
from typing import Any

from scheduler_app.engine.execution import current_run
from scheduler_app.extension import task

WITNESS = os.environ.get("WITNESS", "/dev/null")


def mark(word: str) -> None:
    """Append one line that is on disk before this returns; O_APPEND keeps lines of several writers whole."""
    line = f"{word} {current_run.id} {current_run.attempt} {current_run.job_id} {os.getpid()} {time.monotonic():.6f}\n"
    file = os.open(WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
        os.fsync(file)
    finally:
        os.close(file)


@task(name="work")
def work(seconds: float = 0.0) -> str:
    """Begin, work, end."""
    mark("begin")
    time.sleep(seconds)
    mark("end")
    return "done"


@task(name="deaf")
def deaf(seconds: float) -> str:
    """Work without ever asking whether to stop."""
    mark("begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
    mark("end")
    return "never asked"


@task(name="polite")
def polite(seconds: float) -> str:
    """Work, and stop when asked."""
    mark("begin")
    current_run.sleep(seconds)
    mark("end")
    return "rested"


@task(name="chatty")
def chatty(seconds: float) -> None:
    """Print the same line all the time, without ever asking whether to stop."""
    mark("begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        print("the same line")
        time.sleep(0.05)
    mark("end")


@task(name="tick")
def tick() -> None:
    """Leave one mark, not forced to disk."""
    with open(WITNESS, "a") as file:
        file.write(f"begin {current_run.id} {current_run.attempt} {current_run.job_id} {os.getpid()} 0\n")


@task(name="dies")
def dies(status: int = 1) -> None:
    """End the whole process."""
    mark("begin")
    os._exit(status)


class Unspeakable(Exception):
    """An error that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@task(name="raises")
def raises(kind: str) -> None:
    """Raise something."""
    if kind == "unspeakable":
        raise Unspeakable
    if kind == "exit":
        sys.exit(3)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "group":
        raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])
    if kind == "surrogate":
        raise ValueError("half a \ud800 character and a \0")
    raise ValueError(kind)


@task(name="returns")
def returns(kind: str) -> Any:
    """Return something that JSON cannot hold."""
    if kind == "cycle":
        loop: list[Any] = []
        loop.append(loop)
        return loop
    if kind == "generator":
        return (number for number in range(3))
    if kind == "nan":
        return float("nan")
    if kind == "object":
        return object()
    if kind == "large":
        return "x" * 100_000
    if kind == "surrogate":
        return "\ud800"
    return json.loads('{"fine": true}')


@task(name="recursion")
def recursion() -> int:
    """Use up the stack."""
    return recursion_of(1)


def recursion_of(depth: int) -> int:
    """Never return."""
    return recursion_of(depth + 1)


@task(name="prints")
def prints(megabytes: int) -> None:
    """Print a lot, each line with its number."""
    for number in range(megabytes * 1024 * 1024 // 64):
        print(f"{number:062d}")


@task(name="logs")
def logs() -> None:
    """Log in every way there is."""
    current_run.logger.debug("by its own logger")
    print("by print")
    sys.stderr.write("half a line")


@task(name="fails_until")
def fails_until(attempt: int) -> int:
    """Fail at every attempt before one."""
    mark("begin")
    if current_run.attempt < attempt:
        raise ValueError(f"not at attempt {current_run.attempt}")
    return current_run.attempt


@task(name="numbered")
def numbered(seconds: float) -> int:
    """Work, whatever happens, and return which attempt that was."""
    mark("begin")
    time.sleep(seconds)
    mark("end")
    return current_run.attempt


@task(name="greedy")
def greedy(seconds: float) -> None:
    """Let no other thread of the process run: a call that keeps the interpreter's lock."""
    mark("begin")
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    mark("end")
