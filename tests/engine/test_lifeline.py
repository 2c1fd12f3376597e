"""A worker process ends, with its group, when the pipe closes that its engine holds."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import subprocess, sys, threading
from scheduler_app.engine.worker import depend_on
sys.platform = sys.argv[2]
child = subprocess.Popen(["sleep", "60"])
depend_on(int(sys.argv[1]))
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_closed_pipe_ends_the_whole_group_with_the_help_of_the_kernel_and_without(platform: str) -> None:
    watched, held = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(watched), platform],
        pass_fds=[watched],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(watched)
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    os.close(held)
    assert process.wait(5.0) == -9
    assert process.stdout.read() == b"", "its child, which has the stream too, is gone"
    process.stdout.close()
