"""A crontab becomes jobs: what each line would become is shown first, and what no task does is left out."""

from collections.abc import Callable

import pytest

from scheduler_app.domain.crontab import entries
from scheduler_app.services.crontabs import meant
from tests.dashboard.conftest import Visitor

Visit = Callable[[str], Visitor]
CRONTAB = """# m h dom mon dow command
MAILTO=ops@example.org

30 2 * * * /usr/bin/backup.sh orders
@daily  expire
*/5 * * * * echo 50\\%done % input
61 * * * * broken-time
* * *
@reboot start
"""


def test_the_lines_of_a_crontab_that_are_jobs_are_found() -> None:
    found = [(entry.number, entry.expression, entry.command, entry.slug) for entry in entries(CRONTAB)]

    assert found == [
        (4, "30 2 * * *", "/usr/bin/backup.sh orders", "backup-orders"),
        (5, "@daily", "expire", "expire"),
        (6, "*/5 * * * *", "echo 50\\%done", "echo-50-done"),
        (7, "61 * * * *", "broken-time", "broken-time"),
        (8, "", "", "line-8"),
        (9, "@reboot", "start", "start"),
    ]


@pytest.mark.parametrize(
    ("line", "task"),
    [
        ("0 0 * * * /usr/bin/backup.sh orders", "db.backup"),
        ("0 0 * * * expire", "auth.expire"),
        ("0 0 * * * demo.count", "demo.count"),
        ("0 0 * * * bakcup", "db.backup"),
        ("0 0 * * * rm -rf /tmp/x", None),
    ],
)
def test_a_command_means_the_task_that_is_called_like_it(line: str, task: str | None) -> None:
    (entry,) = entries(line)

    assert meant(entry, frozenset({"db.backup", "auth.expire", "demo.count"})) == task


def test_what_a_crontab_would_become_is_shown_and_nothing_is_saved(visit: Visit) -> None:
    visitor = visit("empty")

    page = visitor.open("POST", "/crontab", crontab=CRONTAB)

    assert page.status_code == 200
    assert "3 lines of 6 can become jobs." in page.text
    assert "<option selected>db.backup</option>" in page.text
    assert "no line of a crontab" in page.text and "outlives reboots" in page.text
    assert "Nothing is scheduled yet." in visitor.get("/")


def test_the_lines_that_have_a_task_become_jobs(visit: Visit) -> None:
    visitor = visit("empty")

    answer = visitor.open("POST", "/crontab/save", crontab=CRONTAB, **{"task-5": "auth.expire", "task-6": ""})

    assert answer.status_code == 303, answer.text
    job = visitor.open("GET", "/api/v1/jobs/expire").get_json()
    assert job["trigger"]["expression"] == "@daily" and job["trigger"]["timezone"] == "Europe/Berlin"
    assert visitor.open("GET", "/api/v1/jobs/echo-50-done").status_code == 404


def test_a_line_whose_task_needs_arguments_says_so_and_the_others_are_added(visit: Visit) -> None:
    visitor = visit("empty")
    chosen = {"task-4": "db.backup", "task-5": "auth.expire"}

    answer = visitor.open("POST", "/crontab/save", crontab=CRONTAB, **chosen)

    assert answer.status_code == 422
    assert "database" in answer.text and "1 were added all the same" in answer.text


def test_a_crontab_that_is_saved_twice_makes_no_job_twice(visit: Visit) -> None:
    visitor = visit("empty")
    for _ in range(2):
        visitor.open("POST", "/crontab/save", crontab="@daily expire", **{"task-1": "auth.expire"})

    assert visitor.open("GET", "/api/v1/jobs/expire-2").status_code == 200
