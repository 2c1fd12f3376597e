"""A second opinion on cron: Debian's loop, minute by minute, from its description, sharing no code with ours.

`firings` plays cron(8): it looks at the local clock once a minute (UTC has no jumps), keeps the virtual time that
cron keeps, and decides for every minute whether the job starts. Slow, and plain enough to be read and believed.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "weekday": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
THREE_HOURS = 180

# A change of the clock each, with what is strange about it: (zone, a UTC day near it).
CHANGES = [
    ("Europe/Berlin", "2027-03-28"),  # forward at 02:00
    ("Europe/Berlin", "2026-10-25"),  # back at 03:00
    ("America/New_York", "2027-03-14"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-03"),  # half an hour forward at 02:00
    ("Australia/Lord_Howe", "2027-04-03"),  # half an hour back at 02:00
    ("America/Havana", "2027-03-14"),  # midnight does not exist
    ("America/Havana", "2026-11-01"),  # 00:00 to 01:00 comes twice
    ("Asia/Beirut", "2027-03-27"),  # midnight does not exist
    ("Asia/Beirut", "2026-10-24"),  # 23:00 to 24:00 comes twice, so a date begins late
    ("Africa/Cairo", "2027-04-29"),  # midnight does not exist
    ("Africa/Cairo", "2026-10-29"),
    ("America/Sao_Paulo", "2018-11-04"),  # midnight did not exist
    ("America/Sao_Paulo", "2018-02-17"),
    ("Pacific/Apia", "2011-12-30"),  # a whole day that does not exist
    ("Europe/Dublin", "2027-03-28"),  # summer is standard time, winter is a negative DST
    ("Europe/Dublin", "2026-10-25"),
    ("America/St_Johns", "2010-03-14"),  # changed at 00:01
    ("America/St_Johns", "2010-11-07"),
    ("Asia/Tehran", "2021-03-21"),  # forward at midnight, offset of half an hour
    ("Asia/Tehran", "2022-09-21"),
    ("Africa/Casablanca", "2027-02-07"),  # back for Ramadan
    ("Africa/Casablanca", "2027-03-14"),  # forward after it
    ("Antarctica/Troll", "2027-03-28"),  # two hours at once
    ("Antarctica/Troll", "2026-10-25"),
    ("Antarctica/Casey", "2019-10-03"),  # three hours at once
    ("Antarctica/Casey", "2020-03-07"),
]


@dataclass(frozen=True)
class Walk:
    """The local time of every UTC minute of a window, as numbers of minutes, with what a field can match."""

    utc: list[datetime]
    wall: list[int]
    shown: dict[int, tuple[int, int, int, int, int]]


@lru_cache(maxsize=200)
def walk(zone: str, begin: datetime, days: int) -> Walk:
    """Look at the clock of `zone` every minute from `begin`; also at every local minute that it jumps over."""
    utc = [begin + MINUTE * number for number in range(days * 1440)]
    local = [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in utc]
    base = datetime(1900, 1, 1)
    wall = [(moment - base) // MINUTE for moment in local]
    shown = {}
    for number in range(min(wall) - 5, max(wall) + 5):
        moment = base + MINUTE * number
        shown[number] = (moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
    return Walk(utc, wall, shown)


class Expression:
    """Five fields as sets of numbers."""

    def __init__(self, text: str) -> None:
        parts = text.lower().split()
        self.minute, self.hour, self.day, self.month, self.weekday = (
            numbers(part, kind) for part, kind in zip(parts, RANGES, strict=True)
        )
        self.weekday = {number % 7 for number in self.weekday}
        self.wild = parts[0][0] == "*" or parts[1][0] == "*"
        self.both_days = parts[2][0] == "*" or parts[4][0] == "*"

    def matches(self, minute: int, hour: int, day: int, month: int, weekday: int) -> bool:
        """Tell whether the clock shows a matching time."""
        if minute not in self.minute or hour not in self.hour:
            return False
        return self.has_day(day, month, weekday)

    def has_day(self, day: int, month: int, weekday: int) -> bool:
        """Tell whether the date matches."""
        if month not in self.month:
            return False
        if self.both_days:
            return day in self.day and weekday in self.weekday
        return day in self.day or weekday in self.weekday


def numbers(part: str, kind: str) -> set[int]:
    """Return the numbers that one field stands for."""
    low, high = RANGES[kind]
    found: set[int] = set()
    for item in part.split(","):
        body, _, step = item.partition("/")
        first, _, last = body.partition("-")
        begin = low if body == "*" else number(first, kind)
        end = high if body == "*" else number(last, kind) if last else begin
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def number(text: str, kind: str) -> int:
    """Return the number of a digit string or a name."""
    if text.isdigit():
        return int(text)
    return NAMES[kind].index(text) + (kind == "month")


def firings(text: str, seen: Walk) -> list[datetime]:
    """Return the UTC minutes of the window in which cron starts the job; the first minute only sets the clock."""
    expression = Expression(text)
    started = []
    virtual = seen.wall[0]
    for moment, wall in zip(seen.utc[1:], seen.wall[1:], strict=True):
        ahead = wall - virtual
        if expression.wild:
            start = expression.matches(*seen.shown[wall])
            virtual = wall
        elif 0 < ahead <= THREE_HOURS + 1:
            start = any(expression.matches(*seen.shown[passed]) for passed in range(virtual + 1, wall + 1))
            virtual = wall
        elif -THREE_HOURS < ahead <= 0:
            start = False
        else:
            start = expression.matches(*seen.shown[wall])
            virtual = wall
        if start:
            started.append(moment)
    return started


def days_with_firings(text: str, begin: datetime, days: int) -> Iterator[datetime]:
    """Yield all firings in UTC, found by looking at every date: for expressions that fire rarely."""
    expression = Expression(text)
    for date in (begin + timedelta(days=number) for number in range(days)):
        if expression.has_day(date.day, date.month, date.isoweekday() % 7):
            for hour in sorted(expression.hour):
                yield from (date.replace(hour=hour, minute=minute) for minute in sorted(expression.minute))


def corpus(seed: int, count: int) -> list[str]:
    """Return `count` sound expressions of every shape, the same for the same seed."""
    dice = random.Random(seed)
    return [" ".join(_field(dice, kind) for kind in RANGES) for _ in range(count)]


def near_the_change(seed: int, count: int) -> list[str]:
    """Return `count` expressions whose time lies in the hours in which clocks are changed."""
    dice = random.Random(seed)
    hours = ["0", "1", "2", "3", "23", "0-3", "1,2", "23,0", "*", "*/2", "0-4/2", "2,3,4"]
    minutes = ["0", "1", "15", "30", "59", "0,30", "*/20", "5-50/15", "*", "10,40"]
    dates = ["*", "*", "*", "*", "*/2", "1-31", "20-31"]
    weekdays = ["*", "*", "*", "*", "sun", "0-7", "sat,7", "mon-fri"]
    return [
        f"{dice.choice(minutes)} {dice.choice(hours)} {dice.choice(dates)} * {dice.choice(weekdays)}"
        for _ in range(count)
    ]


def _field(dice: random.Random, kind: str) -> str:
    shape = dice.choices(["star", "star step", "list"], [2, 1, 3])[0]
    if kind in ("day", "month") and dice.random() < 0.4:
        return "*"
    if shape == "star":
        return "*"
    if shape == "star step":
        return f"*/{dice.choice([1, 2, 3, 5, 7, 10, 15, 20, 99])}"
    return ",".join(_item(dice, kind) for _ in range(dice.choices([1, 2, 3], [6, 2, 1])[0]))


def _item(dice: random.Random, kind: str) -> str:
    low, high = RANGES[kind]
    if kind in NAMES and dice.random() < 0.3:
        return _cased(dice, dice.choice(NAMES[kind]))
    first = dice.randint(low, high)
    if dice.random() < 0.6:
        return f"{first:0{dice.choice([1, 1, 2])}}"
    item = f"{first}-{dice.randint(first, high)}"
    return item + (f"/{dice.randint(1, 12)}" if dice.random() < 0.4 else "")


def _cased(dice: random.Random, name: str) -> str:
    return dice.choice([name, name.upper(), name.title()])


def utc(day: str) -> datetime:
    """Return midnight UTC of a day."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
