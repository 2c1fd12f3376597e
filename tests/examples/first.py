from flask import Flask
from scheduler_app import Scheduler, current_run

app = Flask(__name__)
scheduler = Scheduler(app)


@scheduler.task
def crunch(steps: int) -> str:
    for step in range(1, steps + 1):
        current_run.sleep(0.1)
        current_run.progress(step, steps)
    return f"{steps} steps done"


@app.post("/crunch")
def start():
    run = crunch.delay(steps=5)
    return {"run": run.id}, 202
