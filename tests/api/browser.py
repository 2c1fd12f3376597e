"""A browser at the pages: it keeps cookies, and sends the CSRF token of the page that it was shown."""

import re
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from flask_openapi.openapi import OpenAPI
from werkzeug.test import TestResponse

from tests.api.conftest import KEY

HOST = "http://localhost:8000"
SESSION = "scheduler_session_8000"
CSRF = "scheduler_csrf_8000"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]*)"')


@dataclass
class Browser:
    """What a person has, as far as the server can tell."""

    app: OpenAPI
    host: str = HOST
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, base_url=self.host, **more)

    def post(self, path: str, data: Any = None, **more: Any) -> TestResponse:
        return self.client.post(path, data=data, base_url=self.host, **more)

    def token(self, path: str = "/sign-in", **more: Any) -> str:
        """The CSRF token of a page."""
        return token_in(self.get(path, **more))

    def sign_in(self, key: str = KEY, **more: str) -> TestResponse:
        return self.post("/sign-in", {"csrf_token": self.token(), "key": key} | more)

    def sign_out(self) -> TestResponse:
        return self.post("/sign-out", {"csrf_token": self.token("/")})

    def api(self, method: str, path: str, token: str | None = None, **more: Any) -> TestResponse:
        headers = ({} if token is None else {"X-CSRF-Token": token}) | more.pop("headers", {})
        return self.client.open(f"/api/v1{path}", method=method, base_url=self.host, headers=headers, **more)

    def cookie(self, name: str = SESSION, path: str = "/") -> str | None:
        kept = self.client.get_cookie(name, path=path)
        return None if kept is None else kept.value

    def keep(self, value: str, name: str = SESSION) -> None:
        self.client.set_cookie(name, value)


def token_in(page: TestResponse) -> str:
    found = _TOKEN.search(page.text)
    assert found is not None, page.text
    return found[1]
