"""What a submit answers, whichever way it came, and what is noted of it."""

from collections.abc import Callable
from io import BytesIO

from flask_openapi.openapi import OpenAPI
from werkzeug.test import Client

from tests.api.conftest import KEY, Caller, every


def test_below_a_prefix_of_any_letters_the_place_of_a_job_is_an_address(build: Callable[..., OpenAPI]):
    api = build()
    client = Client(api.wsgi_app)
    response = client.post(
        "/api/v1/jobs",
        json={"id": "a", "task": "total", "args": [[1]], "trigger": every(hours=1)},
        headers={"Authorization": f"Bearer {KEY}"},
        environ_overrides={"SCRIPT_NAME": "/zeitpl\u00e4ne".encode().decode("latin-1")},
    )
    assert (response.status_code, response.headers["Location"]) == (201, "/zeitpl%C3%A4ne/api/v1/jobs/a")
    assert response.headers["Content-Length"] == str(len(response.data))


def test_a_body_that_ends_before_its_length_is_refused(call: Caller):
    response = call.client.post(
        "/api/v1/jobs",
        input_stream=BytesIO(b'{"task": "total"}'),
        environ_overrides={"CONTENT_LENGTH": "100"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {KEY}"},
    )
    assert response.status_code == 400
    assert "ended before its length" in response.get_json(force=True)["detail"]


def test_of_a_batch_each_job_that_was_added_is_noted_and_none_that_was_not(call: Caller):
    given = [{"id": name, "task": "total", "args": [[1]], "trigger": every(hours=1)} for name in ("a", "b", "a", "c")]
    answer = call("POST", "/jobs/batch", {"jobs": given})
    assert [item["status"] for item in answer.get_json()["items"]] == [201, 201, 409, 201]
    noted = call("GET", "/audit").get_json()["items"]
    assert [change["subject"] for change in reversed(noted)] == ["job:a", "job:b", "job:c"]
