"""Engines that fire from one backlog: all that begin at its front plan the same jobs, one fires, the others were idle.

So where others were first with a batch, each turns to a share of its own: no two plan the same job, and nobody asks
another. Who has nothing left in its share helps the others.
"""

FORGOTTEN_AFTER = 16


class Crowd:
    """Whether others fire from the same backlog, in batches of one size.

    After some batches that is forgotten, so that the share of one that has died is not passed over for long; and at
    once after less than a whole batch, when the share is as good as empty.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._left = 0

    @property
    def is_there(self) -> bool:
        """Whether to leave their shares to others."""
        return self._left > 0

    def note(self, *, planned: int, fired: int) -> None:
        """Learn from a commit whether others had fired most of what was planned before."""
        if planned < self._batch:
            self._left = 0 if planned else self._left
        elif fired < planned / 2:
            self._left = FORGOTTEN_AFTER
        else:
            self._left = max(0, self._left - 1)
