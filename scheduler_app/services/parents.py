"""What a job comes after: that there is such a job, and that none comes, by others, after itself.

It is judged in the transaction that writes the job. Writes follow each other, so that two changes at one time cannot
close a circle that neither of them sees.
"""

import sqlalchemy as sa

from scheduler_app.domain.after import MOST_LINKS, chain_of, parent_of
from scheduler_app.domain.job import Job
from scheduler_app.domain.spec import nearest
from scheduler_app.errors import Fault, InvalidInput, InvalidTrigger
from scheduler_app.store import following


def expect_parent(tx: sa.Connection, job: Job) -> None:
    """Refuse a job that would come after none, or after itself; one that fires at times is let pass."""
    parent = parent_of(job.trigger)
    if parent is None:
        return
    if job.next_run_time is not None:
        detail = f"job {job.id!r} comes after {parent!r} and has no time of its own; leave next_run_time out"
        raise InvalidInput.of(Fault(pointer="/next_run_time", detail=detail))
    chain = chain_of(job.id, parent, lambda job_id: following.parent_id(tx, job_id))
    if chain[-1] == job.id:
        raise _refused(f"a job cannot come after itself: {' after '.join(chain)}")
    if len(chain) > MOST_LINKS:
        raise _refused(f"a chain may have {MOST_LINKS} jobs, this would be longer: {' after '.join(chain[:4])} ...")
    if not following.exists(tx, parent):
        raise _refused(f"there is no job {parent!r} to come after{nearest(parent, following.neighbours(tx, parent))}")


def _refused(detail: str) -> InvalidTrigger:
    return InvalidTrigger.of(Fault(pointer="/trigger/job", detail=detail))
