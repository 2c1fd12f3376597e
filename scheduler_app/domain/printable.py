"""Text without control characters, as a type."""

from pydantic import AfterValidator
from pydantic.config import JsonDict

from scheduler_app.domain.text import first_forbidden


def _printable(text: str) -> str:
    char = first_forbidden(text)
    if char is not None:
        raise ValueError(f"control characters are not allowed; got U+{ord(char):04X} at {text.index(char)}")
    return text


PrintableText = AfterValidator(_printable)
# the same for a JSON Schema, whose strings have no lone surrogates
PRINTABLE: JsonDict = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"}
