"""A second opinion on APScheduler's fields across clock changes: minute by minute, sharing no code with ours.

It looks at the local clock of a zone at every second of UTC and asks for each whether the fields match, as sets of
numbers that were expanded by APScheduler's own parser. What the clock jumps over is looked at right after the jump.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

MINUTE = timedelta(minutes=1)


def fields(dice: random.Random, *, hours_of_change: bool = False) -> dict[str, object]:
    """Return a sound combination of fields, of every shape that APScheduler knows."""
    kinds = ["minute", "hour", "day", "month", "day_of_week", "week", "second"]
    chosen = ["hour", "minute"] if hours_of_change else dice.sample(kinds, dice.randint(1, 4))
    if "week" in chosen:  # with these it nearly never matches
        chosen = [name for name in chosen if name not in ("day", "month")]
    found = {name: dice.choice(SHAPES[name])(dice) for name in chosen}
    if hours_of_change:
        found["hour"] = dice.choice(["*", "0-3", "1,2", "2", "*/2", "23,0", "0-23", 1, 3, "2-4/2"])
        found |= {"day_of_week": dice.choice(["sun", "sat,sun", "mon-sun"])} if dice.random() < 0.3 else {}
    return found


def number(low: int, high: int) -> list:
    """Return makers of the shapes that a field of numbers may have."""

    def item(dice: random.Random) -> str:
        first = dice.randint(low, high - 2)
        last = dice.randint(first + 2, high)
        return dice.choice([str(first), f"{first}-{last}", f"{first}-{last}/2", f"{first}/2"])

    return [
        lambda dice: dice.randint(low, high),
        lambda dice: f"*/{dice.randint(1, (high - low) // 2)}",
        item,
        lambda dice: ",".join(item(dice) for _ in range(2)),
        lambda dice: "*",
    ]


DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SHAPES = {
    "second": [lambda dice: dice.choice([0, "*/20", "15,45", 59])],
    "minute": number(0, 59),
    "hour": number(0, 23),
    "month": [*number(1, 12), lambda dice: dice.choice(["jan-mar", "feb", "jun,dec"])],
    "week": number(1, 53),
    "day": [
        *number(1, 31),
        lambda dice: "last",
        lambda dice: f"{dice.choice(['1st', '2nd', '3rd', '4th', '5th', 'last'])} {dice.choice(DAYS)}",
        lambda dice: f"{dice.randint(1, 28)},last",
    ],
    "day_of_week": [
        lambda dice: dice.randint(0, 6),
        lambda dice: dice.choice(["mon-fri", "sat,sun", "tue", "0-4", "mon,wed,fri"]),
    ],
}


def firings(given: dict[str, object], zone: str, begin: datetime, days: int) -> list[datetime]:
    """Return the UTC minutes of the window at which a job of these fields (of no seconds) runs."""
    parsed = CronTrigger(**given, timezone="UTC")
    wild = any("*" in str(field) for field in parsed.fields if field.name in ("minute", "hour"))
    local = ZoneInfo(zone)
    seen: set[datetime] = set()
    found = []
    wall = begin.astimezone(local).replace(tzinfo=None)
    for moment in (begin + MINUTE * at for at in range(1, days * 1440)):
        shown = moment.astimezone(local).replace(tzinfo=None)
        passed = [shown] if wild else list(_between(wall, shown))
        if any(_matches(parsed, at) and (wild or at not in seen) for at in passed):
            found.append(moment)
        seen.update(passed)
        wall = shown
    return found


def _between(before: datetime, after: datetime) -> Iterator[datetime]:
    """Yield what the clock shows next, or all that it jumps over and what it shows then."""
    if after <= before:
        yield after
    while before < after:
        before += MINUTE
        yield before


def _matches(parsed: CronTrigger, wall: datetime) -> bool:
    return all(field.get_next_value(wall) == field.get_value(wall) for field in parsed.fields)
