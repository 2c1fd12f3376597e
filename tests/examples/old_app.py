from flask import Flask
from scheduler_app import Scheduler as APScheduler


class Config:
    SCHEDULER_JOBS = [
        {"id": "heartbeat", "func": "old_app:heartbeat", "args": ("alive",), "trigger": "interval", "seconds": 2}
    ]
    SCHEDULER_JOB_DEFAULTS = {"coalesce": False, "max_instances": 3}
    SCHEDULER_API_ENABLED = True


app = Flask(__name__)
app.config.from_object(Config())
scheduler = APScheduler()
scheduler.init_app(app)
scheduler.start()


def heartbeat(word):
    print("heartbeat:", word)


@scheduler.task("cron", id="nightly", hour=2, misfire_grace_time=900)
def nightly():
    with scheduler.app.app_context():
        print("nightly in", scheduler.app.name)


def remind(name):
    print("remind:", name)


scheduler.add_job(id="startup", func=remind, args=["startup"], trigger="interval", seconds=3)


@app.post("/remind/<name>")
def add(name):
    scheduler.add_job(id=f"remind-{name}", func=remind, args=[name], trigger="interval", seconds=1)
    return {"added": name}
