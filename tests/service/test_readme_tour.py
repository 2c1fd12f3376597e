"""The README followed word by word: its tour with curl."""

import re
import subprocess
from pathlib import Path

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
TOUR = README.partition("## A tour with curl")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"```sh\n(.*?)```", TOUR, re.S)


def test_every_command_of_the_tour_is_accepted(service):
    assert len(COMMANDS) >= 8
    script = "\n".join(COMMANDS).replace("http://127.0.0.1:8000", f"http://127.0.0.1:{service.port}")
    script = script.replace("curl -s ", "curl -s -w '\\nSTATUS %{http_code}\\n' ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=service.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    statuses = re.findall(r"^STATUS (\d+)$", done.stdout, re.M)
    assert len(statuses) == script.count("curl -s")
    assert set(statuses) <= {"200", "201", "202", "204"}, done.stdout
