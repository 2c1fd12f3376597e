"""Windows is refused in one line, before anything is loaded that it does not have."""

import subprocess
import sys

ON_WINDOWS = """
import sys
sys.platform = "win32"
sys.modules["fcntl"] = None
sys.modules["gunicorn"] = None
from scheduler_app.cli import main
sys.argv = ["scheduler-app", "serve"]
main()
"""


def test_windows_is_refused_in_one_line():
    done = subprocess.run([sys.executable, "-c", ON_WINDOWS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Linux or macOS" in done.stderr
