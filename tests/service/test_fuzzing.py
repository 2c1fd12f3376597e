"""schemathesis against a running service: every check, every phase, from the OpenAPI document alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.harness import serving

HERE = Path(__file__).parent
PHASES = "examples,coverage,fuzzing,stateful"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
@pytest.mark.long
def test_schemathesis_finds_nothing(tmp_path: Path, seed: int) -> None:
    with serving(tmp_path, options=["--tasks", str(HERE / "anything_tasks.py")]) as service:
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={HERE / 'schemathesis.toml'}",
            "run",
            f"{service.url}/api/v1/openapi.json",
            f"--header=Authorization: Bearer {service.key}",
            *(f"--phases={PHASES}", "--checks=all", "--mode=all", "--max-examples=20", "--workers=1"),
            *("--continue-on-failure", f"--seed={seed}", "--request-timeout=10", "--no-color"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout[-8000:]
        found = re.search(r"(\d+) generated", done.stdout)
        assert found is not None
        assert int(found[1]) > 1000
        assert service.get("/jobs", limit=10)["items"], "jobs were made"
        assert "Traceback" not in service.said()
