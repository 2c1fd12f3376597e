import socket
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from reports import Report, create_app, db, mail_report


class Inbox:
    def __init__(self, port):
        self.port, self.mails = port, []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos[0], datetime.now(ZoneInfo("Europe/Berlin"))))
        return "250 OK"


@pytest.fixture
def inbox():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(Inbox(port), hostname="127.0.0.1", port=port)
    server.start()
    yield server.handler
    server.stop()


@pytest.fixture
def app(tmp_path, inbox):
    app = create_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'test.db'}", MAIL_PORT=inbox.port)
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def scheduler_database(app):
    return app.config["SQLALCHEMY_DATABASE_URI"]  # the jobs of a test are in its own database too


def test_a_report_that_was_ordered_is_mailed(app, inbox, fake_clock):
    answer = app.test_client().post("/reports", json={"email": "ann@example.org"})
    assert answer.status_code == 202
    fake_clock.run_due()
    assert [to for to, _ in inbox.mails] == ["ann@example.org"]
    assert db.session.get(Report, answer.json["report"]).sent


def test_a_rollback_leaves_no_job(app, inbox, fake_clock):
    report = Report(email="ann@example.org")
    db.session.add(report)
    db.session.flush()
    mail_report.delay(report.id, in_transaction=db.session)
    db.session.rollback()
    fake_clock.run_due()
    assert inbox.mails == []


def test_the_summary_is_mailed_each_weekday_at_nine_in_berlin(inbox, fake_clock):
    fake_clock.advance(days=5)  # it begins on Thursday, 1 January 2026
    assert [f"{at:%a %H:%M}" for _, at in inbox.mails] == ["Thu 09:00", "Fri 09:00", "Mon 09:00"]
