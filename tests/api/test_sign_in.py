"""A person signs in with a key, or with the code of a one-time link, and out again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask_openapi.openapi import OpenAPI

from scheduler_app import dashboard
from scheduler_app.api.wsgi import Pages, Readiness, create_api
from scheduler_app.services import keys, sessions
from scheduler_app.services.context import Context
from scheduler_app.services.keys import KeySpec
from scheduler_app.services.roles import Role
from scheduler_app.store.callers import sessions as sessions_table
from tests.api.browser import SESSION, Browser, token_in
from tests.api.conftest import KEY, SettableClock, assert_problem, new_context

Site = Callable[..., OpenAPI]


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site())


def test_who_wants_a_page_is_sent_to_the_sign_in_and_back(browser: Browser):
    answer = browser.get("/?a=b&c=%20d")
    assert (answer.status_code, answer.location) == (303, "/sign-in?next=/?a%3Db%26c%3D%2520d")
    form = browser.get(answer.location)
    assert form.status_code == 200
    wanted = {"csrf_token": token_in(form), "key": KEY, "next": "/?a=b&c=%20d"}
    answer = browser.post("/sign-in", wanted)
    assert (answer.status_code, answer.location) == (303, "/?a=b&c=%20d")
    assert browser.get("/").status_code == 200
    assert browser.get("/sign-in").location == "/", "who is signed in needs no form"


def test_calls_stay_401_for_who_is_not_signed_in(browser: Browser):
    assert_problem(browser.get("/api/v1/jobs"), 401, "unauthorized")
    assert_problem(browser.get("/api/v1/nothing"), 401, "unauthorized")


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_named_after_the_port(browser: Browser):
    cookie = browser.sign_in().headers["Set-Cookie"]
    assert cookie == f"{SESSION}={browser.cookie()}; HttpOnly; Path=/; SameSite=Strict"
    browser = Browser(browser.app, host="https://localhost")
    cookie = browser.sign_in().headers["Set-Cookie"]
    assert cookie.startswith("scheduler_session_443=")
    assert cookie.endswith("; Secure; HttpOnly; Path=/; SameSite=Strict")


def test_who_is_signed_in_reads_and_with_the_token_of_a_page_changes(browser: Browser):
    browser.sign_in()
    token = browser.token("/")
    assert browser.api("GET", "/jobs").status_code == 200
    assert browser.api("POST", "/scheduler/pause", token).status_code == 200
    assert_problem(browser.api("POST", "/scheduler/resume"), 403, "csrf_token")
    assert_problem(browser.api("POST", "/scheduler/resume", token[:-1] + "_"), 403, "csrf_token")


def test_a_session_can_do_what_its_key_can(browser: Browser, ctx: Context):
    spec = KeySpec(name="watcher", role=Role.VIEWER)
    browser.sign_in(keys.create_key(spec, ctx=ctx).secret)
    assert browser.api("GET", "/jobs").status_code == 200
    assert_problem(browser.api("POST", "/scheduler/pause", browser.token("/")), 403, "forbidden")
    assert_problem(browser.api("GET", "/api-keys"), 403, "forbidden")


def test_a_session_ends_with_its_key(browser: Browser, ctx: Context, clock: SettableClock):
    made = keys.create_key(KeySpec(name="a", role=Role.VIEWER), ctx=ctx)
    browser.sign_in(made.secret)
    assert browser.get("/").status_code == 200
    keys.revoke_key(made.key.id, ctx=ctx)
    assert browser.get("/").status_code == 303
    made = keys.create_key(KeySpec(name="b", role=Role.VIEWER, expires_in=timedelta(seconds=60)), ctx=ctx)
    browser.sign_in(made.secret)
    clock.advance(59.9)
    assert browser.get("/").status_code == 200
    clock.advance(0.1)
    assert browser.get("/").status_code == 303


def test_a_session_ends_after_eight_idle_hours_and_after_a_week(browser: Browser, clock: SettableClock):
    browser.sign_in()
    for _ in range(23):
        clock.advance(7.25 * 3600)
        page = browser.get("/")
        assert page.status_code == 200
        page.close()  # as a server does when it has sent the answer: then is noted who was there
    clock.advance(1.26 * 3600)
    assert browser.get("/").status_code == 303, "a week"
    browser.sign_in()
    clock.advance(8 * 3600)
    assert browser.get("/").status_code == 303


def test_who_signs_out_is_out_wherever_the_cookie_was_copied(browser: Browser, site: Site):
    browser.sign_in()
    copied = Browser(site())
    copied.keep(browser.cookie() or "")
    assert copied.get("/").status_code == 200
    answer = browser.sign_out()
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert browser.cookie() is None
    assert copied.get("/").status_code == 303
    assert_problem(copied.api("GET", "/jobs"), 401)


def test_who_signed_in_at_one_process_is_signed_in_at_all_and_so_for_out(
    browser: Browser, ctx: Context, clock: SettableClock
):
    for another in new_context(ctx.database.url.render_as_string(hide_password=False), clock):
        pages = Pages(blueprint=dashboard.create_pages(another), tell=dashboard.tell, needs=dashboard.NEEDS)
        other = Browser(create_api(another, hosts=(), ready=lambda: Readiness(ready=True), pages=pages))
        code = sessions.new_code(ctx=another)
        browser.post("/sign-in", {"csrf_token": browser.token(), "code": code})
        other.keep(browser.cookie() or "")
        assert other.get("/").status_code == 200
        assert other.api("POST", "/scheduler/pause", browser.token("/")).status_code == 200
        browser.sign_out()
        assert other.get("/").status_code == 303


def test_two_browsers_may_be_signed_in_with_one_key(browser: Browser, site: Site):
    other = Browser(site())
    browser.sign_in(), other.sign_in()
    browser.sign_out()
    assert other.get("/").status_code == 200


def test_a_new_sign_in_takes_the_place_of_the_one_before_in_that_browser(browser: Browser, site: Site):
    token = browser.token()
    browser.sign_in()
    before = browser.cookie() or ""
    browser.post("/sign-in", {"csrf_token": token, "key": KEY})
    assert browser.cookie() != before
    copied = Browser(site())
    copied.keep(before)
    assert copied.get("/").status_code == 303


def test_sessions_that_have_ended_are_forgotten(browser: Browser, ctx: Context, clock: SettableClock):
    for _ in range(3):
        Browser(browser.app).sign_in()
    clock.advance(9 * 3600)
    browser.sign_in()
    with ctx.database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(sessions_table)).scalar() == 1


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1], KEY + "x", "x" * 5000, "\ud800".encode("utf-8", "replace")])
def test_a_wrong_key_is_told_on_the_form(browser: Browser, key: Any):
    answer = browser.post("/sign-in", {"csrf_token": browser.token(), "key": key, "next": "/?x=1"})
    assert answer.status_code == 401
    assert "This key is wrong, has expired or was revoked." in answer.text
    assert 'name="next" value="/?x=1"' in answer.text
    assert browser.cookie() is None
    assert "wrong" not in answer.text.replace("is wrong", ""), "what was tried is not shown"


def test_wrong_keys_in_the_form_count_with_those_in_headers_and_never_lock_out_a_good_one(browser: Browser):
    token = browser.token()
    for number in range(5):
        assert browser.post("/sign-in", {"csrf_token": token, "key": f"form {number}"}).status_code == 401
        headers = {"Authorization": f"Bearer header-{number}"}
        assert browser.api("GET", "/jobs", headers=headers).status_code == 401
    answer = browser.post("/sign-in", {"csrf_token": token, "key": "one more"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert "Too many wrong keys" in answer.text
    assert browser.post("/sign-in", {"csrf_token": token, "code": "a code"}).status_code == 429
    assert browser.sign_in().status_code == 303


def test_a_one_time_link_signs_in_once_by_its_form(browser: Browser, ctx: Context, site: Site):
    code = sessions.new_code(ctx=ctx)
    for _ in range(3):  # whatever looks at the link beforehand uses nothing up
        form = browser.get(f"/sign-in?code={code}")
        assert form.status_code == 200
    sent = {"csrf_token": token_in(form), "code": code}
    assert browser.post("/sign-in", sent).location == "/"
    assert browser.api("GET", "/api-keys").status_code == 200
    other = Browser(site())
    answer = other.post("/sign-in", sent | {"csrf_token": other.token()})
    assert answer.status_code == 401
    assert "This link was used, or is older than five minutes" in answer.text


def test_a_one_time_link_is_good_for_five_minutes(browser: Browser, ctx: Context, clock: SettableClock):
    early, late = sessions.new_code(ctx=ctx), sessions.new_code(ctx=ctx)
    clock.advance(299.9)
    assert browser.post("/sign-in", {"csrf_token": browser.token(), "code": early}).status_code == 303
    clock.advance(0.1)
    other = Browser(browser.app)
    assert other.post("/sign-in", {"csrf_token": other.token(), "code": late}).status_code == 401


def test_a_one_time_link_ends_with_its_key(browser: Browser, ctx: Context):
    code = sessions.new_code(ctx=ctx)
    keys.create_key(KeySpec(name="other", role=Role.ADMIN), ctx=ctx)
    keys.revoke_key(1, ctx=ctx)
    assert browser.post("/sign-in", {"csrf_token": browser.token(), "code": code}).status_code == 401


def test_neither_tokens_nor_codes_stand_in_the_store(browser: Browser, ctx: Context):
    code = sessions.new_code(ctx=ctx)
    browser.sign_in()
    with ctx.database.read() as tx:
        kept = [
            tx.execute(sa.text(f"SELECT * FROM {name}")).all()
            for name in ("scheduler_sessions", "scheduler_sign_in_codes")
        ]
    assert all(kept)
    assert browser.cookie() not in repr(kept)
    assert code not in repr(kept)


def test_a_link_from_another_site_is_asked_for_again_by_a_page_of_ours(browser: Browser):
    answer = browser.get("/?q=<b>&r=%22", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert (
        'content="0; url=/?q=%3Cb%3E&amp;r=%22"' in answer.text
        or 'content="0; url=/?q=&lt;b&gt;&amp;r=%22"' in answer.text
    )
    assert browser.get("/", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_where_the_app_around_has_a_login_there_is_no_sign_in_of_ours(site: Site):
    browser = Browser(site(login=lambda: None))
    assert browser.get("/sign-in").status_code == 404
    assert browser.get("/").status_code == 401
    browser = Browser(site(login=lambda: None, login_url="/users/login?theme=dark"))
    assert browser.get("/?q=1").location == "/users/login?theme=dark&next=%2F%3Fq%3D1"
    assert_problem(browser.get("/api/v1/jobs"), 401)


def test_who_is_signed_in_to_the_app_around_sees_pages_and_needs_their_token(site: Site):
    browser = Browser(site(login=lambda: "operator"))
    page = browser.get("/")
    assert page.status_code == 200
    assert 'data-csrf="' + browser.cookie("scheduler_csrf_8000")[:5] not in page.text
    assert "sign out" not in page.text
    browser.keep("x" * 43)
    assert browser.get("/").status_code == 200, "a session of ours means nothing there"
