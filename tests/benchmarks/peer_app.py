"""Flask-APScheduler's REST API as its documentation sets it up, for gunicorn: `tests.benchmarks.peer_app:create(…)`."""

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from flask import Flask, Response, jsonify, request
from flask_apscheduler import APScheduler


def create(database: str = "") -> Flask:
    """Return an app whose jobs are kept in a database, or in memory when none is named."""
    app = Flask("peer")
    app.config.update(SCHEDULER_API_ENABLED=True, SCHEDULER_TIMEZONE="UTC")
    if database:
        app.config["SCHEDULER_JOBSTORES"] = {"default": SQLAlchemyJobStore(url=database)}
    scheduler = APScheduler()
    scheduler.init_app(app)
    scheduler.start()
    return app


def create_bare() -> Flask:
    """Return an app that reads JSON, answers JSON and keeps nothing: what is left when the scheduler costs nothing."""
    app = Flask("bare")

    @app.post("/jobs")
    def add() -> Response:
        return jsonify(request.get_json())

    return app
