"""The document that describes the API, and the page that shows it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from scheduler_app.domain.task import Task
from scheduler_app.services.context import Context
from tests.api.conftest import Caller, assert_problem

OPEN = {"/healthz", "/readyz"}
CALLS = {
    "/api/v1/tasks": {"get"},
    "/api/v1/tasks/{name}": {"get"},
    "/api/v1/jobs": {"get", "post"},
    "/api/v1/jobs/{job_id}": {"get", "put", "patch", "delete"},
    "/api/v1/jobs/batch": {"post"},
    "/api/v1/jobs/actions": {"post"},
    "/api/v1/jobs/{job_id}/forecast": {"get"},
    "/api/v1/upcoming": {"get"},
    "/api/v1/stats": {"get"},
    "/api/v1/timeline": {"get"},
    "/api/v1/forecast": {"get"},
    "/api/v1/jobs/{job_id}/stats": {"get"},
    "/api/v1/runs/{run_id}/retry": {"post"},
    "/api/v1/jobs/{job_id}/pause": {"post"},
    "/api/v1/jobs/{job_id}/resume": {"post"},
    "/api/v1/jobs/{job_id}/skip": {"post"},
    "/api/v1/jobs/{job_id}/run": {"post"},
    "/api/v1/jobs/{job_id}/runs": {"get"},
    "/api/v1/runs": {"get"},
    "/api/v1/runs/{run_id}": {"get"},
    "/api/v1/runs/{run_id}/cancel": {"post"},
    "/api/v1/runs/{run_id}/log": {"get"},
    "/api/v1/triggers/preview": {"post"},
    "/api/v1/audit": {"get"},
    "/api/v1/api-keys": {"get", "post"},
    "/api/v1/api-keys/{key_id}": {"delete"},
    "/api/v1/scheduler": {"get"},
    "/api/v1/events": {"get"},
    "/api/v1/scheduler/pause": {"post"},
    "/api/v1/scheduler/resume": {"post"},
    "/api/v1/scheduler/engines/{engine_id}": {"delete"},
    "/api/v1/scheduler/engines/{engine_id}/drain": {"post"},
    "/api/v1/scheduler/engines/{engine_id}/resume": {"post"},
    "/healthz": {"get"},
    "/readyz": {"get"},
}


@pytest.fixture
def document(call: Caller) -> dict[str, Any]:
    content: dict[str, Any] = call.client.get("/api/v1/openapi.json").get_json()
    return content


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_document_is_openapi_3_1_and_tells_every_call(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert {path: set(item) for path, item in document["paths"].items()} == CALLS
    assert document["servers"] == [{"url": "/"}]


def test_every_call_has_words_an_id_of_its_own_and_its_problems(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for path, method, operation in operations(document):
        assert operation["summary"].endswith("."), path
        assert operation["tags"]
        assert {"400", "500"} <= set(operation["responses"])
        if method in ("post", "put", "patch"):
            assert {"413", "415", "422"} <= set(operation["responses"])
        if "{" in path:
            assert "404" in operation["responses"]


def test_every_call_but_the_open_ones_needs_a_bearer_key(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, _, operation in operations(document):
        assert operation.get("security") == (None if path in OPEN else [{"bearer": []}])
        assert ({"401", "429", "503"} <= set(operation["responses"])) == (path not in OPEN)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(references(document)):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_problems_are_problem_documents(document: dict[str, Any]) -> None:
    for response in document["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]


def test_versions_places_and_pages_are_described(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert set(paths["/api/v1/jobs"]["post"]["responses"]["201"]["headers"]) == {"ETag", "Location"}
    assert set(paths["/api/v1/runs"]["get"]["responses"]["200"]["headers"]) == {"Link"}
    patch = paths["/api/v1/jobs/{job_id}"]["patch"]
    assert {parameter["name"] for parameter in patch["parameters"]} == {"job_id", "dry_run"}
    assert "`If-Match`" in patch["description"]
    assert "`Idempotency-Key`" in paths["/api/v1/jobs"]["post"]["description"]
    assert set(patch["requestBody"]["content"]) == {"application/json", "application/merge-patch+json"}
    assert paths["/api/v1/jobs/{job_id}/pause"]["post"]["requestBody"]["required"] is False


def test_limits_stand_in_the_document(document: dict[str, Any]) -> None:
    limit = next(p for p in document["paths"]["/api/v1/jobs"]["get"]["parameters"] if p["name"] == "limit")
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"], limit["schema"]["default"]) == (1, 1000, 50)
    assert document["components"]["schemas"]["JobIn"]["additionalProperties"] is False


def test_the_examples_of_the_document_are_accepted(call: Caller, document: dict[str, Any]) -> None:
    for example in document["components"]["schemas"]["PreviewIn"]["examples"]:
        assert call("POST", "/triggers/preview", example).status_code == 200
    for example in document["components"]["schemas"]["JobIn"]["examples"]:
        content = example | {"task": "greet", "kwargs": {"name": "Ada"}}
        assert call("POST", "/jobs", content).status_code in (201, 202)


def test_the_page_loads_only_what_this_service_serves(call: Caller) -> None:
    page = call.client.get("/docs")

    assert page.content_type.startswith("text/html")
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?! src=)", page.text)
    for place in re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text):
        assert place.startswith("/")
        with call.client.get(place) as response:
            assert response.status_code == 200
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["x", "swagger-ui.js", "..%2f__init__.py", "%2e%2e/docs.py", "start.js/.."])
def test_nothing_else_is_served_beside_the_page(call: Caller, name: str) -> None:
    assert call.client.get(f"/docs/{name}").status_code == 404


def test_without_a_key_the_document_names_no_task(document: dict[str, Any]) -> None:
    assert "greet" not in str(document)
    assert "enum" not in document["components"]["schemas"]["JobIn"]["properties"]["task"]


def test_with_a_key_it_tells_the_tasks_and_what_each_takes(call: Caller) -> None:
    told = call("GET", "/openapi.json").get_json()
    schemas = told["components"]["schemas"]
    assert schemas["JobIn"]["properties"]["task"]["enum"] == ["greet", "total"]
    assert schemas["JobPatch"]["properties"]["task"]["enum"] == ["greet", "total"]
    assert schemas["Arguments.greet"]["required"] == ["name"]
    assert schemas["Arguments.greet"]["properties"]["times"]["type"] == "integer"
    assert "`Arguments.total`" in schemas["JobIn"]["properties"]["kwargs"]["description"]
    assert {example["task"] for example in schemas["JobIn"]["examples"]} <= {"greet", "total"}
    test_every_reference_leads_somewhere(told)


def test_references_of_a_task_lead_to_its_own_definitions(call: Caller, ctx: Context) -> None:
    class Address(BaseModel):
        street: str

    def move(to: Address) -> None:
        pass

    ctx.registry.add(Task.of(move, name="people:move"))
    told = call("GET", "/openapi.json").get_json()
    assert told["components"]["schemas"]["Arguments.people_move"]["properties"]["to"]["$ref"].endswith("$defs/Address")
    test_every_reference_leads_somewhere(told)


def test_a_wrong_key_is_refused_for_the_document_too_or_keys_could_be_tried_out(call: Caller) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    assert_problem(call("GET", "/openapi.json", headers=wrong), 401)
    assert call("GET", "/openapi.json", headers={"Authorization": "Basic eDp5"}).status_code == 200
    for at in range(20):
        last = call("GET", "/openapi.json", headers={"Authorization": f"Bearer wrong-{at}"})
    assert_problem(last, 429)


@pytest.mark.parametrize(
    ("time", "is_said_to_fit"),
    [
        ("2030-01-31T09:00:00Z", True),
        ("2032-02-29", True),
        ("1899-12-31T23:00:00-05:00", True),
        ("2030-02-30T09:00:00Z", False),
        ("2030-04-31", False),
        ("2030-13-01", False),
        ("0000-00-00", False),
        ("1850-01-01", False),
    ],
)
def test_only_days_that_exist_are_said_to_fit_a_trigger_and_those_are_taken(
    call: Caller, document: dict[str, Any], time: str, is_said_to_fit: bool
) -> None:
    shapes = document["components"]["schemas"]["PreviewIn"]["properties"]["trigger"]["oneOf"]
    interval = next(shape for shape in shapes if shape["title"] == "interval")
    pattern = interval["properties"]["start_date"]["anyOf"][0]["pattern"]
    assert bool(re.search(pattern, time)) is is_said_to_fit
    trigger = {"type": "interval", "hours": 1, "start_date": time} | ({} if "T" in time else {"timezone": "UTC"})
    answer = call("POST", "/triggers/preview", {"trigger": trigger, "after": "1901-01-01T00:00:00Z"})
    assert answer.status_code == (200 if is_said_to_fit else 422)
