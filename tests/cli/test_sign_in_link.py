"""`serve` shows who sits at a terminal how to sign in; `sign-in-link` shows it later."""

import os
import pty
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.service.harness import COMMAND, Service, wait_until

LINK = re.compile(r"http://[^ ]+/sign-in\?code=[A-Za-z0-9_-]{43}")
TOKEN = re.compile(r'name="csrf_token" value="([^"]*)"')
CODE = re.compile(r'name="code" value="([^"]*)"')


def sign_in(link: str) -> httpx.Response:
    """Follow a link as a person does, and press its button."""
    with httpx.Client(follow_redirects=True, timeout=10.0) as browser:
        form = browser.get(link)
        sent = {"csrf_token": TOKEN.findall(form.text)[0], "code": CODE.findall(form.text)[0]}
        return browser.post(link.partition("?")[0], data=sent)


def test_a_link_is_printed_for_the_running_service_and_signs_in_once(service: Service, said):
    status, out, err = said("sign-in-link", "--data", service.data, "--port", service.port)
    assert (status, err) == (0, "scheduler-app: it signs in once, within 5 minutes\n")
    link = out.strip()
    assert LINK.fullmatch(link)
    assert link.startswith(f"http://127.0.0.1:{service.port}/")
    page = sign_in(link)
    assert (page.status_code, page.url.path) == (200, "/")
    assert "admin" in page.text
    assert sign_in(link).status_code == 401
    assert "sign-in?code" not in service.said(), "a log keeps no secret"


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (("--host", "0.0.0.0"), "http://127.0.0.1:8000/sign-in?code="),
        (("--host", "::", "--port", "9000"), "http://[::1]:9000/sign-in?code="),
        (("--url", "https://ops.example.org/jobs/"), "https://ops.example.org/jobs/sign-in?code="),
    ],
)
def test_a_link_leads_where_browsers_reach_the_service(said, tmp_path: Path, words: tuple[str, ...], begins: str):
    assert said("db", "upgrade", "--data", tmp_path)[0] == 0
    status, out, _ = said("sign-in-link", "--data", tmp_path, *words)
    assert status == 0
    assert out.startswith(begins)


def test_where_there_is_no_store_none_is_made(said, tmp_path: Path):
    status, out, err = said("sign-in-link", "--data", tmp_path / "none")
    assert (status, out) == (1, "")
    assert "there is no store at" in err
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_serve_shows_a_link_on_a_terminal(tmp_path: Path):
    ours, theirs = pty.openpty()
    command = [str(COMMAND), "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    service = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, cwd=tmp_path)
    os.close(theirs)
    said = ""

    def shown() -> bool:
        nonlocal said
        said += os.read(ours, 4096).decode()
        return "Admin key" in said

    try:
        wait_until(shown, within=20.0)
        link = LINK.search(said)
        assert link is not None, said
        wait_until(lambda: _answers(link[0]), within=20.0)
        assert sign_in(link[0]).url.path == "/"
    finally:
        service.terminate()
        service.wait(30.0)
        os.close(ours)


def _answers(link: str) -> bool:
    try:
        return httpx.get(link, timeout=5.0, verify=False).status_code == 200
    except httpx.TransportError:
        return False
