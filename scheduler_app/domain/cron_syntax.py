"""The grammar of cron expressions: what crontab(5) on Debian accepts, plus `L` and `#`; all else is refused.

The parser behind us (cronsim) takes more than Debian does (`5/10`, `L/2`, letters that only look like ASCII), and says
no more than "Bad minute". So an expression is judged here first, in words, and only a sound one is handed on.
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn

from scheduler_app.domain.spec import nearest, shown
from scheduler_app.errors import Fault, InvalidTrigger

LONGEST = 256
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, kw_only=True)
class CronField:
    """One of the fields: its name, its bounds, the names it knows."""

    name: str
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        """Return its bounds in words."""
        return f"{self.low} to {self.high}" + (f" or {', '.join(self.names)}" if self.names else "")


SECOND = CronField(name="second", low=0, high=59)
DAY = CronField(name="day-of-month", low=1, high=31)
WEEKDAY = CronField(name="day-of-week", low=0, high=7, names={name: at for at, name in enumerate(WEEKDAYS)})
FIELDS = (
    SECOND,
    CronField(name="minute", low=0, high=59),
    CronField(name="hour", low=0, high=23),
    DAY,
    CronField(name="month", low=1, high=12, names={name: at for at, name in enumerate(MONTHS, start=1)}),
    WEEKDAY,
)


def refuse(detail: str, pointer: str = "/expression") -> NoReturn:
    """Raise the one error of this room."""
    raise InvalidTrigger.of(Fault(pointer=pointer, detail=detail))


def six_fields(expression: object, *, seconds: bool) -> tuple[str, ...]:
    """Return the six fields of a sound expression, seconds first, macros spelt out; refuse any other."""
    text = _plain_text(expression)
    if text.startswith("@"):
        return ("0", *_macro(text, seconds=seconds).split(" "))
    parts = text.split()
    wanted = 6 if seconds else 5
    if len(parts) != wanted:
        refuse(_wrong_number(len(parts), seconds=seconds))
    parts = parts if seconds else ["0", *parts]
    return tuple(_checked_field(cron_field, part) for cron_field, part in zip(FIELDS, parts, strict=True))


def _plain_text(expression: object) -> str:
    if not isinstance(expression, str):
        refuse(f"The cron expression must be a string like '0 9 * * 1-5', got {shown(expression)}.")
    if len(expression) > LONGEST:
        refuse(f"The cron expression is {len(expression)} characters long; at most {LONGEST} are allowed.")
    if strange := re.search(r"[^0-9A-Za-z*/,#@ \t-]", expression, re.ASCII):
        refuse(
            f"The cron expression holds {shown(strange[0])} at character {strange.start() + 1}; it may hold ASCII "
            "letters and digits, * / , - # and spaces."
        )
    return expression.strip(" \t")


def _macro(text: str, *, seconds: bool) -> str:
    name = text.lower()
    if name == "@reboot":
        refuse("'@reboot' is no time: this service has no boot. Use a time, or a trigger of type 'date'.")
    if name not in MACROS:
        refuse(f"The macro {shown(text)} is unknown; allowed are {', '.join(MACROS)}{nearest(name, MACROS)}.")
    if seconds:
        refuse(f"The macro {shown(text)} stands for five fields; leave 'seconds' out.", "/seconds")
    return MACROS[name]


def _wrong_number(got: int, *, seconds: bool) -> str:
    if got == 6 and not seconds:
        return 'The cron expression has six fields; say "seconds": true when the first is meant as seconds.'
    names = " ".join(cron_field.name for cron_field in FIELDS[0 if seconds else 1 :])
    return f"The cron expression has {got} fields, wanted are {6 if seconds else 5}: {names}."


def _checked_field(cron_field: CronField, part: str) -> str:
    items = part.split(",")
    if "" in items:
        refuse(f"The {cron_field.name} field {shown(part)} has an empty item; write one between all commas.")
    return ",".join(item if _is_special(cron_field, item) else _checked_item(cron_field, item) for item in items)


def _is_special(cron_field: CronField, item: str) -> bool:
    """Tell whether `item` is sound with the letters that crontab(5) does not have: `L`, `LW`, `5L`, `MON#2`."""
    if cron_field is DAY:
        return item.upper() in ("L", "LW")
    if cron_field is not WEEKDAY:
        return False
    if last := re.fullmatch(r"([0-9]+)[Ll]", item):
        return _value(cron_field, last[1], item) >= 0
    base, mark, number = item.partition("#")
    if not mark:
        return False
    if number not in ("1", "2", "3", "4", "5"):
        refuse(f"The day-of-week field has {shown(item)}; after '#' comes a number from 1 to 5.")
    return _value(cron_field, base, item) >= 0


def _checked_item(cron_field: CronField, item: str) -> str:
    """Return a sound item; `5-5/2` as `5`, since cronsim reads the first as `5/2`, that is 5, 7, 9 and so on."""
    base, slash, step = item.partition("/")
    if slash and not re.fullmatch("0*[1-9][0-9]*", step):
        refuse(f"The {cron_field.name} field has {shown(item)}; a step is a whole number from 1.")
    if base == "*":
        return item
    low, dash, high = base.partition("-")
    if slash and not dash:
        refuse(
            f"The {cron_field.name} field has {shown(item)}; a step follows '*' or a range, as in '*/5' or '10-50/5'."
        )
    start = _value(cron_field, low, item)
    end = _value(cron_field, high, item) if dash else start
    if end < start:
        refuse(f"The {cron_field.name} field has {shown(item)}; a range runs from the smaller to the larger value.")
    return low if end == start else item


def _value(cron_field: CronField, text: str, item: str) -> int:
    if text.lower() in cron_field.names:
        return cron_field.names[text.lower()]
    value = int(text) if re.fullmatch("[0-9]+", text) else -1
    if not cron_field.low <= value <= cron_field.high:
        hint = nearest(text.lower(), cron_field.names)
        refuse(f"The {cron_field.name} field has {shown(item)}; allowed is {cron_field.allowed}{hint}.")
    return value
