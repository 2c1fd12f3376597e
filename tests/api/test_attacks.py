"""What an attacker tries with cookies, forms, links, headers and paths, and what becomes of it."""

import hmac
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask_openapi.openapi import OpenAPI

from scheduler_app.services import keys, sessions
from scheduler_app.services.context import Context
from scheduler_app.services.keys import KeySpec
from scheduler_app.services.roles import Role
from scheduler_app.store.keys import digest_of
from tests.api.browser import CSRF, SESSION, Browser
from tests.api.conftest import KEY, SettableClock, assert_problem, new_context

Site = Callable[..., OpenAPI]

pytestmark = pytest.mark.sqlite


@pytest.fixture
def browser(site: Site) -> Browser:
    """Somebody who is signed in as an admin."""
    browser = Browser(site())
    browser.sign_in()
    return browser


def is_paused(ctx: Context) -> bool:
    with ctx.database.read() as tx:
        found: int = tx.exec_driver_sql("SELECT count(*) FROM scheduler_facts WHERE name = 'pause'").scalar_one()
    return bool(found)


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.swapcase(),
        lambda token: digest_of(token),
        lambda token: digest_of(token)[:43],
        lambda token: "A" * 43,
        lambda token: token * 90,
        lambda token: "' OR 1=1 --" + "x" * 32,
        lambda token: "\u0661" * 43,
        lambda token: KEY,
    ],
)
def test_a_forged_cookie_opens_nothing(browser: Browser, site: Site, forge: Callable[[str], str]):
    forged = Browser(site())
    forged.keep(forge(browser.cookie() or ""))
    assert_problem(forged.api("GET", "/jobs"), 401, "unauthorized")
    assert forged.get("/").status_code == 303


def test_the_cookie_of_another_port_is_not_looked_at(browser: Browser, site: Site):
    other = Browser(site(), host="http://localhost:8001")
    other.keep(browser.cookie() or "")
    assert other.get("/").status_code == 303
    other.keep(browser.cookie() or "", name="scheduler_session_8001")
    assert other.get("/").status_code == 200


def test_the_cookie_of_another_service_opens_nothing(browser: Browser, clock: SettableClock, tmp_path: Any):
    for ctx in new_context(f"sqlite:///{tmp_path / 'other.db'}", clock):
        token = sessions.sign_in(KEY, address="", ctx=ctx)
    browser.keep(token)
    assert browser.get("/").status_code == 303


def test_a_cookie_that_somebody_planted_before_does_not_become_the_session(site: Site):
    victim = Browser(site())
    victim.keep("P" * 43)
    victim.sign_in()
    assert victim.cookie() not in (None, "P" * 43)
    planter = Browser(site())
    planter.keep("P" * 43)
    assert planter.get("/").status_code == 303


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9000"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:8000.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_another_site_sends_changes_nothing_even_with_the_token(browser: Browser, ctx: Context, headers: Any):
    token = browser.token("/")
    assert_problem(browser.api("POST", "/scheduler/pause", token, headers=headers), 403, "cross_site")
    answer = browser.post("/sign-out", {"csrf_token": token}, headers=headers)
    assert answer.status_code == 403
    assert browser.get("/").status_code == 200
    assert not is_paused(ctx)


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain"])
def test_a_simple_form_does_not_reach_the_api(browser: Browser, ctx: Context, form: str):
    answer = browser.api("POST", "/scheduler/pause", browser.token("/"), content_type=form)
    assert_problem(answer, 415, "unsupported_media_type")
    assert not is_paused(ctx)


def test_a_token_is_needed_where_it_belongs_and_is_that_of_the_session(browser: Browser, site: Site, ctx: Context):
    good = browser.token("/")
    other = Browser(site())
    before = other.token()
    other.sign_in()
    for wrong in (None, "", good[:-1], good + "A", "\u00e4" * 43, other.token("/"), before, browser.cookie()):
        assert_problem(browser.api("POST", "/scheduler/pause", wrong), 403, "csrf_token")
        assert browser.post("/sign-out", {"csrf_token": wrong or ""}).status_code == 403
    assert_problem(browser.api("POST", f"/scheduler/pause?csrf_token={good}"), 403, "csrf_token")
    assert_problem(browser.api("POST", "/scheduler/pause", json={"csrf_token": good}), 403, "csrf_token")
    assert browser.post(f"/sign-out?csrf_token={good}").status_code == 403
    assert not is_paused(ctx)
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_that_changes_something_needs_the_token(browser: Browser, method: str):
    assert_problem(browser.api(method, "/jobs/a", json={}), 403, "csrf_token")


def test_nobody_is_signed_in_by_a_form_of_another_site(site: Site):
    """Or a victim would work with a key of the attacker's, who sees what is entered."""
    victim, attacker = Browser(site()), Browser(site())
    theirs = attacker.token()
    for sent in ({"key": KEY}, {"key": KEY, "csrf_token": theirs}):
        assert victim.post("/sign-in", sent).status_code == 403
    own = victim.token()
    answer = victim.post("/sign-in", {"key": KEY, "csrf_token": own}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert victim.cookie() is None


def test_a_code_that_many_send_at_once_signs_one_of_them_in(site: Site, ctx: Context):
    code, app = sessions.new_code(ctx=ctx), site()
    statuses: list[int] = []
    start = threading.Barrier(6)

    def exchange() -> None:
        browser = Browser(app)
        sent = {"csrf_token": browser.token(), "code": code}
        start.wait()
        statuses.append(browser.post("/sign-in", sent).status_code)

    threads = [threading.Thread(target=exchange) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303, *[401] * 5]


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "/\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "data:text/html,x",
        "http:evil.example",
        "http:/evil.example",
        "evil.example",
        "@evil.example",
        "/@evil.example",
        "/..//evil.example",
        "/%2F/evil.example",
        "/sign-in?next=//evil.example",
        "/sign-out",
        "/api/v1/jobs",
        "/nothing",
        "/" + "x" * 3000,
        "\u2044\u2044evil.example",
        "/\u0085/evil.example",
        "",
    ],
)
def test_who_signs_in_is_led_to_a_page_of_ours_whatever_the_link_says(site: Site, wanted: str):
    browser = Browser(site())
    answer = browser.sign_in(next=wanted)
    assert (answer.status_code, answer.location) == (303, "/")
    assert len(answer.headers.getlist("Set-Cookie")) == 1
    shown = browser.get("/sign-in", query_string={"next": wanted})
    assert (shown.status_code, shown.location) == (303, "/"), "also for who is signed in already"


def test_what_a_link_says_is_shown_as_text(site: Site):
    hostile = '"><script>alert(1)</script>'
    for name in ("next", "code"):
        page = Browser(site()).get("/sign-in", query_string={name: hostile})
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&#34;&gt;&lt;script&gt;" in page.text


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost:80@evil.example", "[::2]", ""])
def test_under_the_name_of_another_host_there_is_no_sign_in(browser: Browser, host: str):
    for path in ("/", "/sign-in", "/api/v1/jobs"):
        assert browser.get(path, headers={"Host": host}).status_code == 400
    answer = browser.post("/sign-in", {"key": KEY}, headers={"Host": host})
    assert answer.status_code == 400


def test_forwarded_headers_mean_nothing_unless_a_proxy_is_configured(site: Site):
    browser = Browser(site())
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-For": "127.0.0.1",
        "X-Original-URL": "/sign-in",
        "X-Rewrite-URL": "/sign-in",
    }
    answer = browser.get("/", headers=headers)
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    cookie = browser.get("/sign-in", headers=headers).headers["Set-Cookie"]
    assert "Path=/;" in cookie and "Secure" not in cookie


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"X-HTTP-Method-Override": "DELETE"}},
        {"headers": {"X-Method-Override": "DELETE"}},
        {"query_string": {"_method": "DELETE"}},
    ],
    ids=str,
)
def test_a_method_is_what_it_is(browser: Browser, ctx: Context, more: Any):
    made = keys.create_key(KeySpec(name="other", role=Role.VIEWER), ctx=ctx)
    browser.api("GET", f"/api-keys/{made.key.id}", **more)
    browser.post("/", {"_method": "GET"})
    assert keys.authenticate(made.secret, ctx=ctx) is not None


def test_pages_cannot_be_framed_and_are_kept_by_no_cache(browser: Browser):
    for page in (browser.get("/"), Browser(browser.app).get("/sign-in"), browser.get("/nothing")):
        assert page.headers["X-Frame-Options"] == "DENY"
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"


def test_secrets_are_compared_in_constant_time(browser: Browser, monkeypatch: pytest.MonkeyPatch):
    token, compared = browser.token("/"), []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or compare(a, b))
    browser.api("POST", "/scheduler/pause", token)
    assert len(compared) == 2, "the session and the CSRF token"
    browser.client.get("/api/v1/jobs", headers={"Authorization": f"Bearer {KEY}"})
    assert len(compared) == 3


def test_a_wrong_key_in_a_header_is_not_mended_by_a_cookie(browser: Browser):
    assert_problem(browser.api("GET", "/jobs", headers={"Authorization": "Bearer wrong"}), 401)


def test_an_answer_that_is_kept_for_a_key_holds_no_new_key(browser: Browser, ctx: Context):
    browser.api(
        "POST", "/api-keys", browser.token("/"), json={"name": "a", "role": "viewer"}, headers={"Idempotency-Key": "1"}
    )
    with ctx.database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM scheduler_idempotency").scalar() == 0


def test_a_page_that_does_not_exist_tells_nobody_who_is_there(browser: Browser):
    assert browser.get("/nothing").status_code == 404
    assert browser.cookie(SESSION) and browser.cookie(CSRF)
