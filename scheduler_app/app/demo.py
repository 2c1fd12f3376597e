"""Two tasks that make the first five minutes worth looking at."""

import random
from typing import Annotated

from pydantic import Field

from scheduler_app.engine.execution import current_run
from scheduler_app.extension.scheduler import task


@task(name="demo.count")
def count(n: Annotated[int, Field(ge=1, le=3600)] = 10) -> str:
    """Count to n, one a second. Shows progress and a log; can be cancelled."""
    for number in range(1, n + 1):
        current_run.sleep(1)
        current_run.progress(number, n, f"counted {number}")
        print(f"{number} of {n}")
    return f"counted to {n}"


@task(name="demo.flaky", max_retries=4, retry_delay=2)
def flaky(failures: Annotated[float, Field(ge=0, le=1)] = 0.6) -> str:
    """Fail now and then, `failures` of all times. Shows errors, tracebacks and retries."""
    current_run.logger.info("attempt %d", current_run.attempt)
    if random.random() < failures:  # noqa: S311 - luck, not secrecy
        raise RuntimeError("no luck this time")
    return f"lucky at attempt {current_run.attempt}"
