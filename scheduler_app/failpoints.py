"""Failpoints: named places where a process that was started to fail does so. They exist to break the promises in tests.

`SCHEDULER_FAILPOINTS="fire.after_commit=kill:3;store.before_commit=error:0.2"` in the environment, read once when this
module is loaded, names places and what happens there; nothing else can. Without it a place costs one look at an empty
dict. `kill:n` ends the process by SIGKILL when it is there for the n-th time, `stop:n` halts it by SIGSTOP,
`error:p:seed` raises the driver's error with probability p, `pause:s` takes s seconds.
"""

import os
import random
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from itertools import count

VARIABLE = "SCHEDULER_FAILPOINTS"
POINTS = (
    "fire.before_commit",
    "fire.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "run.before_start",
    "run.after_return",
    "settle.before_commit",
    "settle.after_commit",
    "beat.before_commit",
    "beat.after_commit",
    "rescue.before_commit",
    "rescue.after_commit",
    "prune.before_commit",
    "prune.after_commit",
    "add.before_commit",
    "add.after_commit",
    "answer.before_send",
    "store.before_commit",
    "store.after_commit",
)

Action = Callable[[str], None]


def failpoint(name: str) -> None:
    """Fail here, if this process was started to."""
    if ACTIONS and name in ACTIONS:
        ACTIONS[name](name)


def parse(text: str) -> dict[str, Action]:
    """Return what is to happen where; ValueError when that cannot be understood."""
    actions = {}
    for part in filter(None, text.split(";")):
        name, _, action = part.partition("=")
        kind, *numbers = action.split(":")
        if name not in POINTS or kind not in KINDS:
            raise ValueError(f"{VARIABLE}: {part!r} is no failpoint with an action")
        actions[name] = KINDS[kind](*(float(number) for number in numbers))
    return actions


def from_environment(environ: Mapping[str, str]) -> dict[str, Action]:
    """Return what the environment wants to happen where."""
    return parse(environ.get(VARIABLE, ""))


def _at_pass(number: float, signal_number: int) -> Action:
    """Send this process a signal at one pass; say so first, so that a test knows where it was."""
    passes = count(1)

    def act(name: str) -> None:
        if next(passes) == number:
            sys.stderr.write(f"failpoint {name}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal_number)

    return act


def _kill(number: float = 1) -> Action:
    return _at_pass(number, signal.SIGKILL)


def _stop(number: float = 1) -> Action:
    return _at_pass(number, signal.SIGSTOP)


def _error(probability: float = 1, seed: float = 0) -> Action:
    luck = random.Random(seed)  # noqa: S311 - to be repeatable, not secret

    def act(name: str) -> None:
        if luck.random() < probability:
            raise sqlite3.OperationalError(f"failpoint {name}")

    return act


def _pause(seconds: float) -> Action:
    def act(_name: str) -> None:
        threading.Event().wait(seconds)

    return act


KINDS: dict[str, Callable[..., Action]] = {"kill": _kill, "stop": _stop, "error": _error, "pause": _pause}
ACTIONS = from_environment(os.environ)
