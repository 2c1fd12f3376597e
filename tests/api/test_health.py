"""What load balancers ask."""

from collections.abc import Callable

from flask_openapi.openapi import OpenAPI

from scheduler_app.api.wsgi import Readiness


def test_the_process_is_healthy_without_a_key(build: Callable[..., OpenAPI]) -> None:
    response = build().test_client().get("/healthz")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_readiness_is_what_the_checks_say(build: Callable[..., OpenAPI]) -> None:
    states = [
        Readiness(ready=True, engine="drained", checks={"database": True}),
        Readiness(ready=False, checks={"database": "gone"}),
    ]
    client = build(ready=lambda: states.pop(0)).test_client()

    good, bad = client.get("/readyz"), client.get("/readyz")

    assert (good.status_code, good.get_json()) == (
        200,
        {"ready": True, "engine": "drained", "checks": {"database": True}},
    )
    assert (bad.status_code, bad.get_json()) == (
        503,
        {"ready": False, "engine": "none", "checks": {"database": "gone"}},
    )


def test_building_an_api_touches_no_database(build: Callable[..., OpenAPI]) -> None:
    app = build()
    assert app.openapi_version == "3.1.0"
