"""An engine that falls ill on command: a word in the file SICK makes its pass hang, or a thread of it end."""

import os
import threading
from pathlib import Path

from scheduler_app.engine.follower import Follower
from scheduler_app.engine.passes import Pass

SICK = Path(os.environ["WITNESS"]).with_name("sick")
LOOK = 0.05


def word() -> str:
    """What the engine is to suffer from."""
    return SICK.read_text() if SICK.exists() else ""


def hang_in_pass(poll):
    """Poll, but not while the pass is to hang."""

    def sick(self):
        while word() == "hang":
            threading.Event().wait(LOOK)
        return poll(self)

    return sick


def end_thread(poll):
    """Poll, or end the thread in a way that no guard holds."""

    def sick(self):
        if word() == "die":
            raise SystemExit
        return min(poll(self), LOOK)

    return sick


Pass.poll = hang_in_pass(Pass.poll)
Follower.poll = end_thread(Follower.poll)
