"""What text may come from outside: no control characters, which forge log lines and terminals."""

import unicodedata

FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def first_forbidden(text: str) -> str | None:
    """Return the first control character, lone surrogate or line separator of `text`, if it has one."""
    return next((char for char in text if unicodedata.category(char) in FORBIDDEN_CATEGORIES), None)


def one_line(text: str) -> str:
    """Return `text` with every control character written as an escape, for logs and terminals."""
    return "".join(
        char if unicodedata.category(char) not in FORBIDDEN_CATEGORIES else f"\\u{ord(char):04x}" for char in text
    )
