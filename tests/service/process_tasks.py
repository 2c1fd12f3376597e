"""Tasks that run in worker processes, and what they do there that no thread would survive."""

import asyncio
import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from flask import current_app
from witness_tasks import Unspeakable, mark, work

from scheduler_app import RunCancelled, current_run, task

__all__ = ["work"]


@task(name="p.where", executor="process")
def where(word: str = "here") -> dict[str, Any]:
    """Say where this is executed, by what means."""
    mark("begin")
    print("printed", word)
    logging.getLogger("elsewhere").warning("logged %s", word)
    current_run.logger.info("by its own logger")
    sys.stderr.write("to stderr\n")
    current_run.progress(1, 2, "half")
    return {"pid": os.getpid(), "group": os.getpgrp(), "app": current_app.name, "folder": os.getcwd()}


@task(name="p.pause", executor="process")
def pause(seconds: float) -> str:
    """Sleep in a way that asks nobody."""
    mark("begin")
    time.sleep(seconds)
    mark("end")
    return "done"


@task(name="p.ticks", executor="process")
def ticks() -> None:
    """Print and report without end."""
    mark("begin")
    for number in range(100_000):
        print("tick", number)
        current_run.progress(number)
        time.sleep(0.02)


@task(name="p.polite", executor="process")
def polite() -> None:
    """Ask whether to stop, and clean up."""
    try:
        mark("begin")
        while True:
            current_run.check_cancelled()
            time.sleep(0.01)
    finally:
        print("cleaned up")


@task(name="p.deaf", executor="process")
def deaf() -> None:
    """Leave a child, and let nothing through: neither a signal nor the interpreter."""
    subprocess.Popen(["sleep", "3599"])
    mark("begin")
    sum(range(10**12))


@task(name="p.stubborn", executor="process")
def stubborn() -> None:
    """Take what is raised in it for somebody else's."""
    mark("begin")
    while True:
        try:
            time.sleep(3600)
        except RunCancelled:
            print("never mind")


@task(name="p.waits", executor="process")
async def waits(seconds: float = 0.0) -> str:
    """Wait on a loop."""
    mark("begin")
    print("awaited")
    await asyncio.sleep(seconds)
    return "awaited"


@task(name="p.dies", executor="process")
def dies(how: str, attempts: int = 100) -> int:
    """End the process, at the first attempts."""
    mark("begin")
    if current_run.attempt > attempts:
        return current_run.attempt
    if how == "exit":
        os._exit(0)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "sockets":
        os.closerange(3, 256)
        time.sleep(60)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@task(name="p.odd", executor="process")
def odd(kind: str) -> Any:
    """Do what a task should not."""
    if kind == "unspeakable":
        raise Unspeakable
    if kind == "exit":
        sys.exit(3)
    if kind == "object":
        return object()
    if kind == "memory":
        limit = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, limit[1]))
        bytearray(4 << 30)
    if kind == "streams":
        sys.stdout.close()
        os.close(1)
    if kind == "folder":
        os.chdir("/")
    if kind == "fork" and os.fork() == 0:
        return "child"
    if kind == "thread":
        threading.Thread(target=threading.Event().wait).start()
    if kind == "surrogate":
        current_run.progress(1, 2, "half a \ud800 character")
    return {"kind": kind, "pid": os.getpid()}


@task(name="p.prints", executor="process")
def prints(lines: int) -> None:
    """Print a lot."""
    for number in range(lines):
        print(f"{number:062d}")


@task(name="p.spins", executor="process")
def spins(rounds: int) -> float:
    """Use the processor, and say how much of it."""
    began = time.process_time()
    for _ in range(rounds):
        sum(range(1000))
    return time.process_time() - began
