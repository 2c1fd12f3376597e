"""`async def` tasks: the slot's thread waits, while the coroutine runs on the one event loop that the engine has."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from scheduler_app.engine.execution import Execution
from scheduler_app.errors import RunCancelled

Ending = tuple[Any, BaseException | None]
JOIN_SECONDS = 1.0


class Coroutines:
    """An event loop on a thread of its own, which begins with the first coroutine."""

    def __init__(self) -> None:
        self._beginning = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def complete(self, coroutine: Coroutine[Any, Any, Any], execution: Execution) -> Ending:
        """Run a coroutine to its end, in a copy of the caller's context, and return what it returned or raised."""
        loop, ended = self._running(), Future[Ending]()
        loop.call_soon_threadsafe(begin, loop, coroutine, execution, contextvars.copy_context(), ended.set_result)
        return ended.result()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._beginning:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="scheduler-coroutines", daemon=True
                )
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """End the loop, if there is one; what still runs on it is cancelled."""
        with self._beginning:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(JOIN_SECONDS)


def begin(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    execution: Execution,
    context: contextvars.Context,
    tell: Callable[[Ending], None],
) -> None:
    """Start a coroutine on its loop; it is cancelled when its run is to stop, and its ending is told."""
    task = loop.create_task(_ending(coroutine), context=context)

    def cancel() -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing is left to cancel
            loop.call_soon_threadsafe(task.cancel)

    def settle(_task: asyncio.Task[Ending]) -> None:
        execution.on_cancel(None)
        coroutine.close()
        tell((None, asyncio.CancelledError()) if task.cancelled() else task.result())

    task.add_done_callback(settle)
    execution.on_cancel(cancel)


async def _ending(coroutine: Coroutine[Any, Any, Any]) -> Ending:
    """Return what a coroutine returns or raises: an event loop does not outlive a SystemExit that reaches it."""
    try:
        return await coroutine, None
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the run: it is raised again where the slot waits
        return None, error


def outcome_of(ending: Ending, execution: Execution) -> Any:
    """Return or raise what a coroutine did; RunCancelled when it was cancelled because its run is to stop."""
    result, error = ending
    if isinstance(error, asyncio.CancelledError) and execution.cancelled.is_set():
        raise RunCancelled(f"run {execution.claim.run_id} was asked to stop: {execution.cancel_reason}") from error
    if error is not None:
        raise error
    return result


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped; what a task of a task lets through does not end it."""
    stopped = False
    while not stopped:
        try:
            loop.run_forever()
            stopped = True
        except BaseException as error:  # noqa: BLE001 - SystemExit in a task that a coroutine has started
            loop.call_exception_handler({"message": "a task of a coroutine ended with", "exception": error})
    finish(loop)


def finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on a loop that has stopped, and close it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
