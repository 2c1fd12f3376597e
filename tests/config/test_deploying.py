"""What config/ offers to those who deploy: it starts, it verifies, and what it names is there."""

import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from gunicorn.config import KNOWN_SETTINGS

from scheduler_app.cli import cli
from scheduler_app.settings import KEYS
from tests.service.harness import wait_until
from tests.service.workers import Gunicorn

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "config"
UNITS = sorted(CONFIG.glob("*.service"))
COMPOSES = sorted(CONFIG.glob("compose*.yaml"))
VARIABLES = {f"SCHEDULER_{key.upper()}" for key in (*KEYS, "database_file")}
PLAIN_IMAGE = re.compile(r"([a-z]+/)?[a-z]+:[a-z0-9.-]+")


def refuse_unknown(words: list[str]) -> None:
    """Fail when the command line has no such command or option."""
    command = cli.commands[words[0]]
    command.make_context(words[0], words[1:])


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile."""
    text = (CONFIG / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def of_dockerfile(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def probe() -> list[str]:
    """What the health check of the image runs."""
    return json.loads(of_dockerfile("HEALTHCHECK")[0].partition("CMD")[2])


def unit(path: Path) -> dict[str, list[str]]:
    """The directives of a unit file; one may be given several times."""
    lines = [line.partition("=") for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {name: [value for key, _, value in lines if key == name] for name, _, _ in lines}


def composed(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def test_gunicorn_knows_every_setting_of_its_file():
    given = {name for name in runpy.run_path(str(CONFIG / "gunicorn.conf.py")) if not name.startswith("__")}
    assert given <= {setting.name for setting in KNOWN_SETTINGS}
    assert {"workers", "graceful_timeout", "control_socket_disable"} <= given


@pytest.mark.slow
def test_gunicorn_serves_by_its_file(tmp_path: Path) -> None:
    service = Gunicorn(tmp_path, options=["-c", str(CONFIG / "gunicorn.conf.py")])
    try:
        service.start(within=45.0)
        wait_until(service.are_ready, within=45.0)
        assert service.run_now("work")["state"] == "succeeded"
        healthy = [word.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}") for word in probe()]
        assert subprocess.run([sys.executable, *healthy[1:]], timeout=20, check=False).returncode == 0
        assert service.stop() == 0
        assert subprocess.run([sys.executable, *healthy[1:]], timeout=20, check=False, stderr=-3).returncode == 1
    finally:
        service.clean_up()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_of_ours_and_leaves_it_the_time_to_stop(path: Path):
    directives = unit(path)
    program, *words = shlex.split(directives["ExecStart"][0])
    assert Path(program).name == "scheduler-app"
    refuse_unknown(words)
    assert {pair.partition("=")[0] for pair in directives["Environment"]} <= VARIABLES
    assert directives["TimeoutStopSec"] == ["40"]
    assert {"NoNewPrivileges", "ProtectSystem", "CapabilityBoundingSet", "SystemCallFilter"} <= directives.keys()
    assert not {"ProtectProc", "ProcSubset"} & directives.keys(), "an engine looks for the processes of others"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here: apt-get install systemd")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_verifies(path: Path, tmp_path: Path):
    here = tmp_path / path.name.replace("@", "@1")
    bin_folder = Path(sys.executable).parent
    # with what is only offered in comments, such as the file of the database's URL
    text = re.sub(r"^#(?=[A-Z]\w+=)", "", path.read_text(), flags=re.MULTILINE)
    assert "\nLoadCredential=" in text
    here.write_text(text.replace("/opt/scheduler/bin", str(bin_folder)))
    command = ["systemd-analyze", "verify", "--man=no", str(here)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_image_is_built_from_what_is_there_and_runs_as_a_plain_user():
    assert all(PLAIN_IMAGE.fullmatch(image) for image in of_dockerfile("FROM"))
    for line in of_dockerfile("COPY"):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources)
    assert of_dockerfile("USER") == ["scheduler"]
    assert [name for name, _ in instructions()].index("USER") > [name for name, _ in instructions()].index("RUN")
    assert of_dockerfile("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(of_dockerfile("ENTRYPOINT")[0]) == ["scheduler-app"]
    refuse_unknown(json.loads(of_dockerfile("CMD")[0]))
    named = set(re.findall(r"(SCHEDULER_\w+)=", of_dockerfile("ENV")[0]))
    assert named == {"SCHEDULER_DATA", "SCHEDULER_HOST"}
    assert named <= VARIABLES


@pytest.mark.parametrize("path", COMPOSES, ids=lambda path: path.name)
def test_a_compose_file_names_what_is_there(path: Path):
    whole = composed(path)
    for service in whole["services"].values():
        if "build" in service:
            build = service["build"]
            assert (path.parent / build["context"] / build["dockerfile"]).resolve() == CONFIG / "Dockerfile"
            refuse_unknown(service["command"])
            assert service["environment"].keys() <= VARIABLES
            assert service["stop_grace_period"] == "40s"
        else:
            assert PLAIN_IMAGE.fullmatch(service["image"])
        assert set(service.get("secrets", [])) <= whole.get("secrets", {}).keys()
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= whole["volumes"].keys()
        assert service.get("depends_on", {}).keys() <= whole["services"].keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_three_services_and_a_worker_share_one_postgresql_by_a_secret():
    services = composed(CONFIG / "compose.postgres.yaml")["services"]
    commands = [service.get("command") for service in services.values()]
    assert (commands.count(["serve"]), commands.count(["worker"])) == (3, 1)
    files = {
        service["environment"].get("SCHEDULER_DATABASE_FILE") for service in services.values() if "build" in service
    }
    assert files == {"/run/secrets/database"}


def test_services_and_celery_workers_share_a_database_and_a_broker():
    services = composed(CONFIG / "compose.yaml")["services"]
    ours = [service for service in services.values() if "build" in service]
    assert [service["command"][0] for service in ours] == ["serve", "serve", "celery-worker"]
    assert services["worker"]["deploy"]["replicas"] == 2
    assert {service["environment"]["SCHEDULER_BROKER"] for service in ours} == {"redis://valkey:6379/0"}
    assert {service["environment"]["SCHEDULER_DATABASE_FILE"] for service in ours} == {"/run/secrets/database"}
