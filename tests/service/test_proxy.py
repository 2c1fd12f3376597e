"""Behind a reverse proxy with a path prefix all leads back through the proxy, and only what it says is believed."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.harness import Service
from tests.service.proxy import PREFIX, proxying

TOKEN = re.compile(r'name="csrf_token" value="([^"]*)"')
LINK = re.compile(r'(?:href|src|action)="([^"#]+)"')


@pytest.fixture
def behind_proxies(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    service.env["SCHEDULER_PROXIES"] = "1"
    try:
        yield service.start()
    finally:
        service.clean_up()


def sign_in(browser: httpx.Client, root: str, key: str) -> httpx.Response:
    sent = {"key": key, "csrf_token": TOKEN.findall(browser.get(f"{root}/sign-in").text)[0], "next": "/?a=1"}
    return browser.post(f"{root}/sign-in", data=sent)


def key_of(service: Service) -> str:
    return (service.data / "admin.key").read_text().strip()


@pytest.mark.slow
def test_links_redirects_and_cookies_stay_below_the_prefix(behind_proxies: Service):
    key = key_of(behind_proxies)
    with proxying(behind_proxies.port) as root, httpx.Client() as browser:
        port = httpx.URL(root).port
        answer = browser.get(f"{root}/")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{PREFIX}/sign-in")
        answer = sign_in(browser, root, key)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{PREFIX}/?a=1")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"scheduler_session_{port}=")
        assert cookie.endswith(f"; HttpOnly; Path={PREFIX}; SameSite=Strict")
        page = browser.get(f"{root}/")
        assert page.status_code == 200
        links = LINK.findall(page.text)
        assert links
        assert [link for link in links if not link.startswith(f"{PREFIX}/")] == []
        assert browser.get(f"http://127.0.0.1:{port}{links[0]}").status_code == 200
        authorized = {"Authorization": f"Bearer {key}"}
        body = {"id": "a", "task": "touch", "trigger": {"type": "interval", "hours": 1}}
        task = browser.get(f"{root}/api/v1/tasks").json()["items"][0]["name"]
        added = httpx.post(f"{root}/api/v1/jobs", json=body | {"task": task}, headers=authorized)
        assert added.headers.get("Location", f"{PREFIX}/api/v1/jobs/a") == f"{PREFIX}/api/v1/jobs/a"
        assert httpx.get(f"{root}/api/v1/openapi.json").json()["servers"] == [{"url": PREFIX}]


@pytest.mark.slow
def test_of_what_is_forwarded_only_what_the_proxy_added_is_believed(behind_proxies: Service):
    with proxying(behind_proxies.port, scheme="https") as root, httpx.Client() as browser:
        lies = {
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Prefix": "//evil.example",
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Proto": "http",
        }
        answer = browser.get(f"{root}/", headers=lies)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{PREFIX}/sign-in")
        cookie = browser.get(f"{root}/sign-in", headers=lies).headers["Set-Cookie"]
        assert "; Secure; HttpOnly;" in cookie
        for number in range(11):  # each from another address, if the client were believed
            lies["X-Forwarded-For"] = f"203.0.113.{number}"
            lies["Authorization"] = f"Bearer wrong-{number}"
            answer = browser.get(f"{root}/api/v1/jobs", headers=lies)
        assert answer.status_code == 429
        answer = browser.get(f"{root}/sign-in", headers={"Host": "evil.example"})
        assert answer.status_code == 400


@pytest.mark.slow
def test_a_prefix_that_names_another_host_is_none(behind_proxies: Service):
    for prefix in ("//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/a/../b?c"):
        headers = {"X-Forwarded-Prefix": prefix}
        answer = httpx.get(f"http://127.0.0.1:{behind_proxies.port}/", headers=headers)
        assert answer.headers["Location"] == "/sign-in", prefix
