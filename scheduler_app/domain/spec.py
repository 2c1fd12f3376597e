"""Reading the JSON of a trigger: each field is asked for by name, every fault is kept, all are told at once."""

import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from fractions import Fraction
from zoneinfo import ZoneInfo

from scheduler_app.domain.schedule import END, FIRST
from scheduler_app.domain.zone import find_zone, zone_names
from scheduler_app.errors import Fault, InvalidTrigger

UTC_ZONE = ZoneInfo("UTC")
TIME = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)?)?",
    re.ASCII,
)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def shown(value: object) -> str:
    """Return `value` as it may stand in a message: short, printable, whatever it is."""
    if isinstance(value, str):
        return ascii(value if len(value) <= 60 else value[:60] + "...")
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else f"a number of {value.bit_length()} bits"
    kinds = {Mapping: "an object", list: "a list", datetime: "a datetime"}
    return next((kind for cls, kind in kinds.items() if isinstance(value, cls)), f"a {type(value).__name__}")


def nearest(got: str, known: Collection[str]) -> str:
    """Return the tail of a sentence that names the known word nearest to `got`, or nothing."""
    close = get_close_matches(got, sorted(known), n=1) if len(got) <= 64 else []
    return f"; did you mean '{close[0]}'?" if close else ""


def pointer_to(key: str) -> str:
    """Return the JSON pointer to a key of the object, in printable ASCII."""
    return "/" + ascii(key[:64])[1:-1].replace("~", "~0").replace("/", "~1")


def whole_number(value: object) -> object:
    """Return 3 for 3.0, which JSON does not tell apart; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Spec:
    """The fields of one trigger; a field that is wrong is remembered as a fault and read as absent."""

    def __init__(self, given: Mapping[str, object], *, fields: Collection[str], now: datetime) -> None:
        self.given = given
        self.now = now
        self.faults: list[Fault] = []
        self._times: dict[str, datetime | None] = {}
        self._refuse_unknown(fields)
        self.zone = self._zone()

    def has(self, key: str) -> bool:
        """Tell whether the field is there; null counts as absent."""
        return self.given.get(key) is not None

    def fault(self, key: str, detail: str) -> None:
        """Remember that the field is wrong."""
        self.faults.append(Fault(pointer=pointer_to(key), detail=detail))

    def settle(self) -> None:
        """Raise all faults found so far as one error."""
        if self.faults:
            raise InvalidTrigger.of(*self.faults)

    def flag(self, key: str) -> bool:
        """Return a field that is true or false; false when absent."""
        value = self.given.get(key)
        if value is not None and not isinstance(value, bool):
            self.fault(key, f"'{key}' must be true or false, got {shown(value)}.")
        return value is True

    def amount(self, key: str) -> Fraction:
        """Return a number from 0, exactly; 0 when absent."""
        value = self.given.get(key)
        if value is None:
            return Fraction(0)
        sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(_small(value))
        if not sound or not isinstance(value, int | float) or value < 0:
            self.fault(key, f"'{key}' must be a number from 0, got {shown(value)}.")
            return Fraction(0)
        return Fraction(value)

    def whole(self, key: str, most: int) -> int:
        """Return a whole number from 0 to `most`; 0 when absent."""
        value = whole_number(self.given.get(key))
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            self.fault(key, f"'{key}' must be a whole number from 0 to {most}, got {shown(value)}.")
            return 0
        return value

    def day(self, key: str) -> date | None:
        """Return a day that was given without a time; None when absent, or when it is a time."""
        value = self.given.get(key)
        if isinstance(value, date) and not isinstance(value, datetime):
            day: date | None = value
        elif isinstance(value, str) and DATE.fullmatch(value):
            day = self._parsed_day(key, value)
        else:
            return None
        if day is not None and not FIRST.year <= day.year < END.year:
            self.fault(key, f"'{key}' must lie in the years {FIRST.year} to {END.year - 1}.")
            return None
        return day

    def moment(self, key: str) -> datetime | None:
        """Return a time in UTC; None when absent."""
        value = self.given.get(key)
        if value is None:
            return None
        local = self._time(key, value)
        if local is None or (local.tzinfo is None and not self._may_be_naive(key, value)):
            return None
        return self._in_utc(key, local)

    def skipped_or_repeated(self, key: str) -> str:
        """Tell whether a time without an offset does not exist in the zone, or comes twice; else nothing."""
        value = self.given.get(key)
        local = self._time(key, value) if self.has(key) else None
        if local is None or local.tzinfo is not None:
            return ""
        first, second = (self.zone.utcoffset(local.replace(fold=fold)) for fold in (0, 1))
        if first is None or second is None or first == second:
            return ""
        return "does not exist" if first < second else "comes twice"

    def _parsed_day(self, key: str, value: str) -> date | None:
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fault(key, f"'{key}' must be a date like '2030-01-31', got {shown(value)}.")
            return None

    def _time(self, key: str, value: object) -> datetime | None:
        if key not in self._times:
            self._times[key] = self._read_time(key, value)
        return self._times[key]

    def _read_time(self, key: str, value: object) -> datetime | None:
        if isinstance(value, datetime):
            return value
        try:
            if isinstance(value, str) and TIME.fullmatch(value):
                return datetime.fromisoformat(value.upper())
        except ValueError:
            pass
        self.fault(key, f"'{key}' must be a time like '2030-01-31T09:00:00+01:00', got {shown(value)}.")
        return None

    def _may_be_naive(self, key: str, value: object) -> bool:
        if self.has("timezone"):
            return True
        self.fault(
            key,
            f"'{key}' has no UTC offset, so it could mean any zone, got {shown(value)}; end it with 'Z' or an "
            "offset, or give 'timezone'.",
        )
        return False

    def _in_utc(self, key: str, local: datetime) -> datetime | None:
        try:
            moment = (local if local.tzinfo else local.replace(tzinfo=self.zone)).astimezone(UTC)
        except (OverflowError, ValueError):
            moment = END
        if FIRST <= moment < END:
            return moment
        self.fault(key, f"'{key}' must lie in the years {FIRST.year} to {END.year - 1}.")
        return None

    def _zone(self) -> ZoneInfo:
        name = self.given.get("timezone")
        if name is None:
            return UTC_ZONE
        zone = find_zone(name) if isinstance(name, str) else None
        if zone is None:
            hint = nearest(name, zone_names()) if isinstance(name, str) else ""
            self.fault("timezone", f"'timezone' must be an IANA name like 'Europe/Berlin', got {shown(name)}{hint}.")
        return zone or UTC_ZONE

    def _refuse_unknown(self, fields: Collection[str]) -> None:
        for key in self.given:
            if key not in fields:
                hint = nearest(key, fields)
                allowed = ", ".join(sorted(fields))
                self.fault(key, f"{shown(key)} is no field of this trigger; allowed are {allowed}{hint}.")


def _small(value: float) -> float:
    """Return `value`, or infinity for a whole number that no float can hold."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
