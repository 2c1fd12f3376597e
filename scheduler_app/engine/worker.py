"""A worker process from within: it executes one run after the other, on its main thread, as its engine tells it.

- The engine holds the one writing end of a pipe. When it closes, as it does when the engine is killed, the kernel kills
  this process's group (fcntl(2), O_ASYNC and F_SETSIG on Linux): also while a task keeps the interpreter to itself.
  Elsewhere, and should a fork of the engine hold the pipe, a thread notices within half a second.
- SIGTERM counts only after the engine has asked the run to stop: what sends it to all processes of a service at its
  stop leaves the run the time that the engine gives it. Then it raises RunCancelled in the task.
- What a task leaves behind in its process (folder, signal handler) is put right, or the process says it is not fit.
"""

import fcntl
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

from scheduler_app.clock import SystemClock
from scheduler_app.domain.outcome import Outcome
from scheduler_app.engine import capture
from scheduler_app.engine.channel import Channel, Message
from scheduler_app.engine.coroutines import Coroutines
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.letters import end_of, news_of, read_order
from scheduler_app.engine.runner import Surroundings, execute
from scheduler_app.errors import RunCancelled

F_SETSIG = 10
LOOK_EVERY = 0.5
TELL_EVERY = 0.1
NO_DIFFERENCE = timedelta(milliseconds=20)
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE, resource.RLIMIT_STACK)


def depend_on(lifeline: int) -> None:
    """End with the group when the other end of a pipe closes."""
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_watch, args=(lifeline, os.getppid()), name="scheduler-lifeline", daemon=True).start()


def _watch(lifeline: int, engine: int) -> None:
    closing = select.poll()
    closing.register(lifeline, 0)
    while not closing.poll(LOOK_EVERY * 1000) and os.getppid() == engine:
        pass
    os.killpg(0, signal.SIGKILL)


class Worker:
    """Executes what the engine orders. `find` is given the name of a task before it is looked up."""

    def __init__(self, channel: Channel, surroundings: Surroundings, find: Callable[[str], None]) -> None:
        self._channel = channel
        self._enter = surroundings.context
        self._coroutines = Coroutines()
        self._surroundings = replace(surroundings, context=self._context, complete=self._coroutines.complete)
        self._find = find
        self._clock = SystemClock()
        self._orders: SimpleQueue[Execution | None] = SimpleQueue()
        self._folder = os.getcwd()
        self._execution: Execution | None = None
        self._works = threading.Event()
        self._telling = threading.Lock()
        self._is_ordered_to_stop = False
        self._may_be_interrupted = False

    def work(self) -> None:
        """Say that all is ready, and execute what comes, until there is nothing more to come."""
        capture.install()
        self._sound = _condition()
        for listener, name in ((self._listen, "scheduler-orders"), (self._tell, "scheduler-news")):
            threading.Thread(target=listener, name=name, daemon=True).start()
        self._channel.send({"ready": os.getpid()})
        while (execution := self._orders.get()) is not None:
            self._execute(execution)

    def _execute(self, execution: Execution) -> None:
        signal.signal(signal.SIGTERM, self._interrupt)
        self._channel.send({"begun": execution.claim.run_id})
        self._works.set()
        outcome = self._outcome(execution)
        self._works.clear()
        self._execution = None
        self._send_news(execution)
        self._channel.send(end_of(outcome, fit=self._is_fit()))

    def _outcome(self, execution: Execution) -> Outcome:
        process = os.getpid()
        with suppress(Exception):  # that it cannot be found is told by the attempt
            self._find(execution.claim.task)
        outcome = execute(execution, self._surroundings)
        if os.getpid() != process:  # a child that the task has forked came back from it too
            os._exit(0)
        return outcome

    @contextmanager
    def _context(self) -> Iterator[Any]:
        with self._enter() as context:
            self._may_be_interrupted = True
            try:
                self._interrupt(signal.SIGTERM, None)  # the order to stop may have come before the task began
                yield context
            finally:
                self._may_be_interrupted = False

    def _listen(self) -> None:
        """Take orders, while the main thread executes one."""
        with suppress(EOFError, OSError):
            while True:
                message = self._channel.receive(LOOK_EVERY)
                if message is None:
                    continue
                if "run" in message:
                    self._begin(message)
                elif "stop" in message:
                    self._stop(message)
                else:
                    self._orders.put(None)
        os.killpg(0, signal.SIGKILL)

    def _begin(self, message: Message) -> None:
        claim, now = read_order(message)
        self._clock.adjust(now - self._clock.now(), within=NO_DIFFERENCE)
        self._is_ordered_to_stop = False
        self._execution = Execution(claim, self._clock)
        self._orders.put(self._execution)

    def _stop(self, message: Message) -> None:
        execution = self._execution
        if execution is None or execution.claim.run_id != message["stop"]:
            return
        execution.cancel(message["reason"])
        if message["hard"]:
            self._is_ordered_to_stop = True
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)

    def _interrupt(self, _number: int, _frame: object) -> None:
        """Raise in the task, once, on the main thread; a coroutine is cancelled where it waits instead."""
        execution = self._execution
        if not (self._is_ordered_to_stop and self._may_be_interrupted) or execution is None:
            return
        if not execution.is_cancelled_otherwise:
            self._may_be_interrupted = False
            raise RunCancelled(f"run {execution.claim.run_id} was asked to stop: {execution.cancel_reason}")

    def _tell(self) -> None:
        """Send what the task logs and reports while it executes."""
        never = threading.Event()
        while self._works.wait():
            self._clock.wait(never, TELL_EVERY)
            if (execution := self._execution) is not None:
                with suppress(OSError):
                    self._send_news(execution)

    def _send_news(self, execution: Execution) -> None:
        with self._telling:
            if execution.has_news:
                self._channel.send(news_of(execution))

    def _is_fit(self) -> bool:
        """Put right what can be, and tell whether the next run finds what this one found."""
        try:
            os.chdir(self._folder)
            return _condition() == self._sound
        except OSError:
            return False


def _condition() -> tuple[object, ...]:
    """What a task may spoil for the next one: streams and limits."""
    files = [(os.fstat(number).st_dev, os.fstat(number).st_ino) for number in range(3)]
    return sys.stdout, sys.stderr, files, [resource.getrlimit(limit) for limit in LIMITS]
