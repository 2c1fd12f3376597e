"""Weeks further ahead than an engine has reckoned: counted from the triggers when they are asked for."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from scheduler_app.services import outlooks, reckoning
from scheduler_app.services.context import Context
from scheduler_app.store import plans
from tests.dashboard.conftest import Browser, text_of


def test_a_week_far_ahead_is_counted_when_asked_for(browser: Browser, ctx: Context, monkeypatch) -> None:
    now = ctx.clock.now()
    noon = {"type": "cron", "expression": "0 12 * * *", "timezone": "Europe/Berlin"}
    browser.given_job("often", trigger={"type": "interval", "minutes": 10})
    browser.given_job("daily", trigger=noon)
    browser.given_job("held", trigger=noon)
    browser.api("POST", "/jobs/held/pause", {})
    once = now + timedelta(days=30)
    browser.given_job("once", trigger={"type": "date", "run_date": once.isoformat()})

    begin = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=28)
    found = browser.api("GET", f"/forecast?from={quote(begin.isoformat())}")
    assert found["complete"] is True
    hours = {datetime.fromisoformat(item["at"]): item["firings"] for item in found["items"]}
    assert len(hours) == 168 and min(hours) == begin
    assert sum(hours.values()) == 168 * 6 + 7 + 1
    assert {number for at, number in hours.items() if number != 6} == {7}
    assert hours[once.replace(minute=0, second=0, microsecond=0)] >= 7

    page = browser.get(f"/week?from={quote(begin.isoformat())}")
    assert "busiest" in text_of(page) and "Week before" in text_of(page) and "seven days from" in text_of(page)
    assert "seven days from" not in text_of(browser.get("/week?from=2020-01-01T00:00:00Z"))

    assert "<bdi>daily</bdi>" in page, "what nobody named is called by its id"
    ctx.database.write(lambda tx: plans.replace(tx, {}, now, now + reckoning.AHEAD))
    assert browser.api("GET", f"/forecast?from={quote(begin.isoformat())}") == found
    monkeypatch.setattr(outlooks, "JOBS_A_SLICE", 1)
    monkeypatch.setattr(outlooks, "MOST_SLICES_AHEAD", 1)
    assert browser.api("GET", f"/forecast?from={quote(begin.isoformat())}")["complete"] is False
    assert "not all jobs could be counted" in text_of(browser.get(f"/week?from={quote(begin.isoformat())}"))
