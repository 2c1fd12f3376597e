"""The others who fire from the same backlog: engines that all begin at its front plan the same jobs, and one fires."""

FORGOTTEN_AFTER = 16
MOST_OTHERS = 8


class Crowd:
    """How many of the jobs that are due the longest others are about to fire, in batches of one size.

    That others were first with a batch says that one more of them is there. After some batches that is forgotten, so
    that what an engine was about to fire when it died is not passed over for long; and at once when less than a batch
    was behind what is left to them, or what comes anew would be fired before it for ever.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._others = 0
        self._batches = 0

    @property
    def skip(self) -> int:
        """How many due jobs to leave to others."""
        return self._others * self._batch

    def note(self, *, planned: int, fired: int) -> None:
        """Learn from a commit how many of the planned jobs others have fired before, if these are most of them."""
        if not planned:
            return
        self._batches += 1
        if planned < self._batch or self._batches > FORGOTTEN_AFTER:
            self._others = self._batches = 0
        elif fired < planned / 2:
            self._others = min(self._others + 1, MOST_OTHERS)
