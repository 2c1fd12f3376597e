"""The shape of every error: RFC 9457, with a stable code and the fields that are wrong."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from scheduler_app.schemas.fields import WireOut

A_PROBLEM: JsonDict = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "'prioritty' is no field here; did you mean 'priority'?",
    "code": "invalid",
    "errors": [{"pointer": "/prioritty", "detail": "'prioritty' is no field here; did you mean 'priority'?"}],
    "request_id": "0f6f0a3b9b6d4a55",
}


class FaultOut(WireOut):
    """One wrong field."""

    pointer: str = Field(
        description="A JSON pointer (RFC 6901) into the body, or `/` and the query parameter or header."
    )
    detail: str = Field(description="What is wrong with it.")


class Problem(WireOut):
    """An error (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"examples": [A_PROBLEM]})

    type: str = Field(description="Always `about:blank`: `code` tells causes apart.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, what was got, what to do.")
    code: str = Field(description="A stable word for the cause.")
    errors: list[FaultOut] = Field(description="The wrong fields; empty when none is to blame.")
    request_id: str = Field(description="The same as in the header `X-Request-ID`.")
