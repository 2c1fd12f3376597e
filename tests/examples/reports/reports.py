import smtplib
from email.message import EmailMessage

from flask import Blueprint, Flask, current_app, request
from flask_sqlalchemy import SQLAlchemy
from scheduler_app import Scheduler

db = SQLAlchemy()
scheduler = Scheduler()
pages = Blueprint("reports", __name__, cli_group=None)


class Report(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String, nullable=False)
    sent = db.Column(db.Boolean, nullable=False, default=False)


def create_app(**config):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///reports.db"
    app.config["MAIL_PORT"] = 8025
    app.config.from_prefixed_env()
    app.config.update(config)
    app.config["SCHEDULER_DATABASE"] = app.config["SQLALCHEMY_DATABASE_URI"]
    db.init_app(app)
    scheduler.init_app(app)
    app.register_blueprint(pages)
    return app


@pages.cli.command("init-db")
def init_db():
    db.create_all()
    scheduler.upgrade()  # our tables; an engine that starts would make them too


@pages.post("/reports")
def order_report():
    report = Report(email=request.json["email"])
    db.session.add(report)
    db.session.flush()  # the report has an id from here on
    run = mail_report.delay(report.id, in_transaction=db.session)
    db.session.commit()  # the report and its run, or neither
    return {"report": report.id, "run": run.id}, 202


@scheduler.task(max_retries=5)
def mail_report(report_id: int):
    report = db.session.get(Report, report_id)
    if not report.sent:  # it is, when a crash came right after the commit
        send(report.email, f"Report {report.id}", "Here it is.")
        report.sent = True
        db.session.commit()


@scheduler.task("cron", id="summary", expression="0 9 * * 1-5", timezone="Europe/Berlin")
def mail_summary():
    open_reports = db.session.query(Report).filter_by(sent=False).count()
    send("boss@example.org", "Summary", f"{open_reports} reports are to be sent.")


def send(to, subject, text):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "reports@example.org", to, subject
    mail.set_content(text)
    with smtplib.SMTP("127.0.0.1", current_app.config["MAIL_PORT"], timeout=10) as server:
        server.send_message(mail)
