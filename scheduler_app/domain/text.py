"""What text may come from outside: no control characters, which forge log lines and terminals."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator
from pydantic.config import JsonDict

FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def first_forbidden(text: str) -> str | None:
    """Return the first control character, lone surrogate or line separator of `text`, if it has one."""
    return next((char for char in text if unicodedata.category(char) in FORBIDDEN_CATEGORIES), None)


def _printable(text: str) -> str:
    char = first_forbidden(text)
    if char is not None:
        raise ValueError(f"control characters are not allowed; got U+{ord(char):04X} at {text.index(char)}")
    return text


def one_line(text: str) -> str:
    """Return `text` with every control character written as an escape, for logs and terminals."""
    return "".join(
        char if unicodedata.category(char) not in FORBIDDEN_CATEGORIES else f"\\u{ord(char):04x}" for char in text
    )


PrintableText = AfterValidator(_printable)
# the same for a JSON Schema, whose strings have no lone surrogates
PRINTABLE: JsonDict = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"}
Reason = Annotated[str, PrintableText]
