"""Worker processes, seen from their engine: started, given one run at a time, watched, and ended with all their kin.

Invariants kept here:
- A worker process leads a group of its own; it is ended with that group, so that what its tasks started goes too.
- When the engine is gone, however it went, the kernel or the worker itself ends the group (see `worker`).
- What a task does to its process concerns its run alone: whatever comes is an outcome of that run.
- A run whose worker was gone before it said that it began has not begun; one that says nothing for long is ended.
"""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from scheduler_app.clock import Clock
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.engine.channel import Channel, Message
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.letters import order_of, read_end, take_news
from scheduler_app.engine.runner import crashed, ended, timed_out
from scheduler_app.errors import WorkerUnavailable

LOOK_EVERY = 0.1
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
GENTLE = frozenset({Reason.SHUTDOWN})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a worker process is started: the command, the folder, and the first message, which says what it builds."""

    command: tuple[str, ...]
    hello: Mapping[str, Any]
    folder: str = field(default_factory=os.getcwd)


class NotBegun(Exception):
    """A worker process was gone before the run began."""


class WorkerProcess:
    """One worker process. One thread at a time talks with it; `kill` may come from any."""

    def __init__(self, recipe: Recipe, clock: Clock, *, grace: float) -> None:
        self._clock = clock
        self._grace = grace
        self._stopping = threading.Lock()
        self._current: Execution | None = None
        self._kill_at: float | None = None
        self._end: str | None = None
        self._begun = False
        self.fit = True
        self.runs = 0
        self.idle_since = clock.monotonic()
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a command of our own
                [*recipe.command, str(theirs.fileno()), str(lifeline)],
                pass_fds=[theirs.fileno(), lifeline],
                stdin=subprocess.DEVNULL,
                cwd=recipe.folder,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self._channel = Channel(ours)
        self._hello = recipe.hello

    def await_start(self, unless: threading.Event) -> None:
        """Return when it is ready; WorkerUnavailable says why it will never be. Raises NotBegun if `unless` is set."""
        limit = self._clock.monotonic() + START_SECONDS
        try:
            self._channel.send(self._hello)
            while (message := self._receive(LOOK_EVERY)) is None:
                if unless.is_set():
                    raise NotBegun
                if self._clock.monotonic() > limit:
                    raise WorkerUnavailable(f"a worker process was not ready after {START_SECONDS:g} s")
        except (EOFError, OSError, ValueError):
            raise WorkerUnavailable(f"a worker process {self.close()} while it built the app") from None
        if "failed" in message:
            raise WorkerUnavailable(f"a worker process cannot build the app: {message['failed']}")

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def execute(self, execution: Execution) -> Outcome:
        """Execute a run and return what became of it. Raises NotBegun."""
        self._current, self._kill_at, self._begun = execution, None, False
        self.runs += 1
        execution.start()
        try:
            self._channel.send(order_of(execution.claim, self._clock.now()))
            execution.on_cancel(lambda: self._ask_to_stop(execution))
            return self._judged(execution, self._follow(execution))
        except Exception:  # noqa: BLE001 - it has gone, or what it wrote is none of ours: that concerns this run alone
            self.fit = False
            return self._died(execution, self.close())
        finally:
            execution.on_cancel(None)
            with self._stopping:
                self._current = None

    def _follow(self, execution: Execution) -> Outcome:
        """Take what comes until the run has ended. Raises EOFError when the process is gone."""
        answers_by = self._clock.monotonic() + ANSWER_SECONDS
        while True:
            left = execution.seconds_left(self._clock.monotonic())
            message = self._receive(LOOK_EVERY if left is None else min(LOOK_EVERY, left))
            now = self._clock.monotonic()
            if now >= answers_by and not self._begun and message is None:  # it is frozen
                self.kill()
            if execution.is_past(now):
                execution.timed_out = True
                execution.cancel(Reason.TIMEOUT)
            if self._kill_at is not None and now >= self._kill_at:
                self.kill()
            if message is None:
                continue
            self._begun = True
            execution.begin()
            if "log" in message:
                take_news(execution, message)
            elif "end" in message:
                self.fit = self.fit and message["fit"]
                return read_end(execution, message["end"])

    def _receive(self, seconds: float) -> Message | None:
        """Return what it says; a process that has gone is noticed although its children hold the socket open."""
        message = self._channel.receive(seconds)
        if message is None and not self.is_alive and (message := self._channel.receive(0.0)) is None:
            raise EOFError
        return message

    def _ask_to_stop(self, execution: Execution) -> None:
        """Ask the task to stop; unless its engine stops, with SIGTERM to the group, and SIGKILL after the grace."""
        hard = execution.cancel_reason not in GENTLE
        order = {"stop": execution.claim.run_id, "reason": execution.cancel_reason, "hard": hard}
        with self._stopping:
            if self._current is not execution:  # it has just ended, and another one may be there
                return
            with suppress(OSError):
                self._channel.send(order)
            if hard:
                self.fit = False
                self._kill_at = self._clock.monotonic() + self._grace
                self._signal(signal.SIGTERM)

    def _judged(self, execution: Execution, outcome: Outcome) -> Outcome:
        """Return the outcome of a run that may have been asked to stop: what then goes wrong comes from that."""
        if execution.cancel_reason is Reason.TIMEOUT:
            return timed_out(execution)
        if outcome.state is RunState.FAILED and self._kill_at is not None:
            return ended(execution, RunState.CANCELLED, reason=execution.cancel_reason)
        return outcome

    def _died(self, execution: Execution, how: str) -> Outcome:
        if execution.cancel_reason is Reason.TIMEOUT:
            return timed_out(execution)
        if execution.cancelled.is_set():
            return ended(execution, RunState.CANCELLED, reason=execution.cancel_reason)
        if not self._begun:
            raise NotBegun
        return crashed(execution, how)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End the group at once; who follows its run finds that out."""
        self._signal(signal.SIGKILL)

    def ask_to_end(self) -> None:
        """Let an idle one end by itself; after the grace it is killed."""
        self._kill_at = self._clock.monotonic() + self._grace
        with suppress(OSError):
            self._channel.send({"leave": True})

    @property
    def is_overdue(self) -> bool:
        """Whether one that was asked to end has done so, or has had its time."""
        return not self.is_alive or (self._kill_at is not None and self._clock.monotonic() >= self._kill_at)

    def close(self) -> str:
        """End the group, and return in words how the process ended."""
        if self._end is None:
            self.kill()
            status = self._process.wait()
            self._channel.close()
            os.close(self._lifeline)
            self._end = f"ended with exit status {status}" if status >= 0 else f"was killed by {_name(-status)}"
        return self._end


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
