"""The main things that a person does over HTTP, one after the other."""

from datetime import UTC, datetime, timedelta

from tests.service.harness import Service, wait_until


def test_a_one_off_runs_at_once(shared: Service) -> None:
    run = shared.run_now("work", id="one-off")
    assert (run["state"], run["result"], run["origin"]) == ("succeeded", "done", "once")
    assert shared.get("/jobs/one-off")["state"] == "finished"
    assert "one-off" not in [job["id"] for job in shared.get("/jobs")["items"]]


def test_a_date_job_runs_at_its_time(shared: Service) -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.7)
    shared.post("/jobs", {"id": "later", "task": "work", "trigger": {"type": "date", "run_date": at.isoformat()}})
    [run] = wait_until(lambda: shared.get("/jobs/later/runs", state="succeeded")["items"], within=5.0)
    assert (run["origin"], datetime.fromisoformat(run["scheduled_at"])) == ("schedule", at)
    assert 0 <= run["lateness"] < 1.0


def test_a_cron_job_fires_at_every_full_second(shared: Service) -> None:
    trigger = {"type": "cron", "expression": "* * * * * *", "seconds": True, "timezone": "Europe/Berlin"}
    shared.post("/jobs", {"id": "cron", "task": "work", "trigger": trigger}, expect=201)
    runs = wait_until(lambda: shared.get("/jobs/cron/runs", state="succeeded")["items"][1:], within=6.0)
    assert all(datetime.fromisoformat(run["scheduled_at"]).microsecond == 0 for run in runs)
    shared.client.delete("/jobs/cron")


def test_an_interval_job_from_its_beginning_to_its_end(shared: Service) -> None:
    trigger = {"type": "interval", "seconds": 0.3}
    job = shared.post("/jobs", {"id": "beat", "task": "logs", "trigger": trigger, "tags": ["mine"]}, expect=201)
    runs = wait_until(lambda: shared.get("/jobs/beat/runs", state="succeeded")["items"], within=5.0)
    assert [job["id"] for job in shared.get("/jobs", tag="mine")["items"]] == ["beat"]
    assert datetime.fromisoformat(runs[-1]["scheduled_at"]) > datetime.fromisoformat(job["created_at"])
    assert "by print" in shared.log_of(runs[0]["id"])

    paused = shared.post("/jobs/beat/pause", {"reason": "enough"})
    assert (paused["state"], paused["paused"]["reason"]) == ("paused", "enough")
    wait_until(lambda: not shared.get("/jobs/beat/runs", state="queued,running,scheduled")["items"], within=5.0)
    fired = len(shared.get("/jobs/beat/runs", limit=200)["items"])
    by_hand = shared.post("/jobs/beat/run", expect=202)
    assert shared.ended(by_hand["id"])["origin"] == "manual"
    assert len(shared.get("/jobs/beat/runs", limit=200)["items"]) == fired + 1

    next_slot = datetime.fromisoformat(paused["updated_at"]) + timedelta(seconds=0.3)
    wait_until(lambda: datetime.now(UTC) > next_slot, within=1.0)
    assert shared.post("/jobs/beat/resume")["state"] == "active"
    [missed] = shared.get("/jobs/beat/runs", state="missed")["items"]
    assert missed["reason"] == "paused"
    wait_until(lambda: shared.get("/jobs/beat/runs", limit=200)["items"][fired + 2 :], within=5.0)

    assert shared.client.delete("/jobs/beat").status_code == 204
    assert shared.client.get("/jobs/beat").status_code == 404
    assert shared.get("/runs", job_id="beat", limit=200)["items"], "history stays"
