"""The error tree: one root, one class per cause that a caller can act on, each with a stable code.

A message says what happened, what was got and what to do. `api` alone decides which HTTP status a class becomes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One wrong field: `pointer` is a JSON pointer (RFC 6901) into the input, `detail` a sentence."""

    pointer: str
    detail: str

    def under(self, prefix: str) -> "Fault":
        """Return the same fault, seen from a document that holds this one at `prefix`."""
        return Fault(pointer=prefix + self.pointer, detail=self.detail)


class SchedulerError(Exception):
    """The root of every error this package raises on purpose."""

    code = "scheduler_error"

    def __init__(self, detail: str, *, faults: Iterable[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)


class InvalidInput(SchedulerError):
    """The content of a request or a call is wrong; `faults` name the fields."""

    code = "invalid"

    @classmethod
    def of(cls, *faults: Fault) -> Self:
        """Build the error whose message is what its faults say."""
        return cls("; ".join(fault.detail for fault in faults), faults=faults)


class InvalidTrigger(InvalidInput):
    """A trigger that cannot be understood, or that can never fire."""

    code = "invalid_trigger"


class InvalidArguments(InvalidInput):
    """Arguments that do not fit the signature of their task."""

    code = "invalid_arguments"


class UnknownTask(InvalidInput):
    """A job names a task that nobody registered."""

    code = "unknown_task"


class KeyReused(InvalidInput):
    """An `Idempotency-Key` was used for another call within its 24 hours."""

    code = "idempotency_key_reused"


class TriggerBudgetExceeded(SchedulerError):
    """A trigger needed more steps than its budget to find its next time."""

    code = "trigger_budget_exceeded"


class NotFound(SchedulerError):
    """There is no such job, run or task."""

    code = "not_found"


class Conflict(SchedulerError):
    """The request does not fit the state that the thing is in."""

    code = "conflict"


class NotCommitted(Conflict):
    """A run or job was asked for more than it can tell before the transaction it was added in is committed."""

    code = "not_committed"


class IdTaken(Conflict):
    """A job with this id exists already."""

    code = "id_taken"


class NameTaken(Conflict):
    """A key of this name is in use."""

    code = "name_taken"


class LastAdminKey(Conflict):
    """Without this key nobody could make another one."""

    code = "last_admin_key"


class JobDeclared(Conflict):
    """The code declares this job; only the code changes or removes it."""

    code = "declared_in_code"


class KeyInFlight(Conflict):
    """A call with the same `Idempotency-Key` is being carried out."""

    code = "idempotency_key_in_flight"


class StoreUnavailable(SchedulerError):
    """The store is busy or gone; trying again later may work."""

    code = "store_unavailable"


class WorkerUnavailable(SchedulerError):
    """A worker process does not start; what wanted one waits."""

    code = "worker_unavailable"


class StoreTooNew(SchedulerError):
    """The store was written by a newer version of this package."""

    code = "store_too_new"


class BackupRefused(SchedulerError):
    """A copy of the store cannot be written where it is wanted."""

    code = "backup_refused"


class ConfigurationError(SchedulerError):
    """A setting, a tasks file or a task registration is wrong; starting makes no sense."""

    code = "configuration"


class TaskNameTaken(ConfigurationError):
    """Two different functions were registered under one task name."""

    code = "task_name_taken"


class OutsideRun(SchedulerError):
    """`current_run` was used where no run is being executed."""

    code = "outside_run"


class RequestInTask(SchedulerError):
    """A task used Flask's request or session, which end before the task begins."""

    code = "request_in_task"


class RunCancelled(SchedulerError):
    """Raised inside a task whose run was asked to stop."""

    code = "run_cancelled"


class WaitTimeout(SchedulerError):
    """A wait for a run ended before the run did."""

    code = "wait_timeout"


class VersionMismatch(SchedulerError):
    """The thing was changed by somebody else since the caller read it."""

    code = "version_mismatch"


class Unauthorized(SchedulerError):
    """There is no API key, or not a good one."""

    code = "unauthorized"


class TooManyFailures(SchedulerError):
    """One address sent too many wrong keys."""

    code = "too_many_failures"
