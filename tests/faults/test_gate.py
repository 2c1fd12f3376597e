"""The gate before the store: it opens when its holder is killed, and who gave up waiting never unlocks another."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler_app.errors import StoreUnavailable
from scheduler_app.store.gate import Gate

HOLD = """
import sys
from pathlib import Path
from scheduler_app.store.gate import Gate
with Gate(Path(sys.argv[1])).held(1.0):
    print("held", flush=True)
    sys.stdin.read()
"""
TRY = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("closed")
else:
    print("open")
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process holds the gate; it lets go when its input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


def let_go(holder: "subprocess.Popen[str]") -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    holder.wait(5.0)


def seen_from_outside(path: Path) -> str:
    command = [sys.executable, "-c", TRY, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()


def test_it_opens_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.gate"
    gate = Gate(path)
    with held_elsewhere(path) as holder:
        with pytest.raises(StoreUnavailable, match=r"held store.gate for 0.1 s"), gate.held(0.1):
            pass
        holder.kill()
        with gate.held(2.0):
            assert seen_from_outside(path) == "closed"


def test_who_gave_up_waiting_does_not_unlock_who_came_after(tmp_path: Path) -> None:
    path = tmp_path / "store.gate"
    gate = Gate(path)
    with held_elsewhere(path) as holder:
        for _ in range(3):
            with pytest.raises(StoreUnavailable), gate.held(0.05):
                pass
        timer = threading.Timer(0.2, let_go, (holder,))
        timer.start()
        with gate.held(5.0):
            timer.join()
            assert seen_from_outside(path) == "closed"
        assert seen_from_outside(path) == "open"


def test_who_gave_up_waiting_does_not_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "store.gate"
    gate = Gate(path)
    with held_elsewhere(path) as holder:
        with pytest.raises(StoreUnavailable), gate.held(0.05):
            pass
        let_go(holder)
    with gate.held(2.0):
        assert seen_from_outside(path) == "closed"
    assert seen_from_outside(path) == "open"


def test_threads_enter_one_after_the_other(tmp_path: Path) -> None:
    gate, inside, most = Gate(tmp_path / "store.gate"), [], []

    def enter() -> None:
        for _ in range(50):
            with gate.held(5.0):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert (len(most), set(most)) == (200, {1})
