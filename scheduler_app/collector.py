"""The cyclic garbage collector beside code that stays: a full look through Flask and SQLAlchemy holds every thread.

That takes 50 to 100 ms, and comes once for every few thousand runs. What is frozen is not looked through any more
(`gc.freeze`), and is still freed when nothing refers to it.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def keep_what_is_loaded() -> None:
    """Freeze what is there by now, once in a process, unless somebody has set the collector up already."""
    if gc.isenabled() and not gc.get_freeze_count():
        gc.freeze()


@contextmanager
def loading() -> Iterator[None]:
    """Load code that stays: it is not looked through meanwhile, nor later in a process that has frozen the rest."""
    is_enabled, is_frozen = gc.isenabled(), gc.get_freeze_count() > 0
    gc.disable()
    try:
        yield
    finally:
        if is_frozen:
            gc.freeze()
        if is_enabled:
            gc.enable()
