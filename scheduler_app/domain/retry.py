"""What follows a failed attempt: a delay, or nothing. A value, so that it can be kept with the run."""

import hashlib
import json
from dataclasses import asdict, dataclass

from scheduler_app.domain.policy import Policies


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Delays between attempts, in seconds: `delay`, then `backoff` times longer each, at most `max_delay`."""

    delay: float
    backoff: float
    max_delay: float
    jitter: float

    @classmethod
    def of(cls, policies: Policies) -> "RetryPolicy | None":
        """Return the retry policy of a job's policies; None when it never retries."""
        if policies.max_retries == 0:
            return None
        return cls(
            delay=policies.retry_delay,
            backoff=policies.retry_backoff,
            max_delay=policies.retry_max_delay,
            jitter=policies.retry_jitter,
        )

    def after(self, failures: int, *, seed: str) -> float:
        """Return the seconds to wait after the n-th failure; `seed` spreads the runs, the same way each time."""
        exponent = min(failures - 1, 64)
        delay = min(self.delay * self.backoff**exponent, self.max_delay)
        return delay * (1 + self.jitter * (2 * _share(f"{seed}:{failures}") - 1))

    def to_json(self) -> str:
        """Return the policy as JSON text, as it is kept with a run."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RetryPolicy":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def _share(seed: str) -> float:
    digest = hashlib.blake2b(seed.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
