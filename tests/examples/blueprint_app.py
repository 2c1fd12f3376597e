from flask import Blueprint, Flask
from scheduler_app import Scheduler, task

scheduler = Scheduler()
reports = Blueprint("reports", __name__)


@task(max_retries=3)
def send_report(user_id: int) -> str:
    return f"report for {user_id}"


@scheduler.task("cron", id="weekday-reports", expression="0 9 * * 1-5", timezone="Europe/Berlin")
def send_all():
    for user_id in (7, 8):
        send_report.delay(user_id=user_id)


@reports.post("/reports/<int:user_id>")
def start(user_id: int):
    return {"run": send_report.delay(user_id=user_id).id}, 202


def create_app():
    app = Flask(__name__)
    app.register_blueprint(reports)
    scheduler.init_app(app)
    return app
