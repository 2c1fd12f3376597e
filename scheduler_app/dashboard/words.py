"""How times, durations and counts are told on every page: two units, never "a few"; a clock time and a distance."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = 60, 3600, 86400
NEAR_DAYS = 7
MOST = 10_000


def duration(seconds: float | None) -> str:
    """Tell a length of time: `0.8 s`, `41 s`, `9 m 50 s`, `1 h 04 m`, `6 d 04 h`."""
    if seconds is None:
        return "—"
    if seconds < 10:
        return f"{seconds:.2f} s" if 0 < seconds < 0.1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _two(whole, MINUTE, "m", 1, "s")
    return _two(whole, HOUR, "h", MINUTE, "m") if whole < DAY else _two(whole, DAY, "d", HOUR, "h")


def _two(whole: int, large: int, name: str, small: int, small_name: str) -> str:
    first, rest = divmod(whole, large)
    return f"{first} {name} {rest // small:02d} {small_name}" if rest // small else f"{first} {name}"


def countdown(seconds: float) -> str:
    """Tell a time that ticks, always in the same form: `0 m 22 s`, `47 m 52 s`, `2 h 02 m`."""
    whole = max(0, int(seconds))
    if whole < HOUR:
        return f"{whole // MINUTE} m {whole % MINUTE:02d} s"
    large, unit, small, rest = (HOUR, "h", MINUTE, "m") if whole < DAY else (DAY, "d", HOUR, "h")
    return f"{whole // large} {unit} {whole % large // small:02d} {rest}"


def distance(at: datetime, now: datetime) -> str:
    """Tell how far away a moment is: `in 2 m 52 s`, `2 h 02 m ago`."""
    away = (at - now).total_seconds()
    return f"in {_whole(away)}" if away > 0 else f"{_whole(-away)} ago"


def _whole(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < MINUTE else duration(int(seconds))


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Tell a moment as people do in a zone: `16:15`, another day `Mon 02:30`, a far one `1 Dec 06:00`."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    days = abs((local.date() - today.date()).days)
    if days == 0:
        return time
    if days < NEAR_DAYS:
        return f"{local:%a} {time}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year} {time}"


def instant(at: datetime, zone: ZoneInfo) -> str:
    """Tell a moment in full: RFC 3339 with its offset, and the zone."""
    return f"{at.astimezone(zone).isoformat(timespec='milliseconds')} {zone.key}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """Tell the day of a moment: `Sun 22 Nov`."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b}"


def count(number: int, *, exact: bool = True) -> str:
    """Tell how many: `1,284`; what was not counted to its end `10,000+`."""
    return f"{number:,}" if exact or number < MOST else f"{MOST:,}+"


def up_to(number: int) -> str:
    """Tell what was counted up to 10,001."""
    return count(number, exact=number <= MOST)


def share(part: int, whole: int) -> str:
    """Tell a share in percent, `99.8`; 100 is told only when nothing is missing, 0 only when nothing is there."""
    if not whole:
        return "—"
    percent = 100 * part / whole
    if part in (0, whole):
        return f"{percent:.0f}"
    return f"{min(99.9, max(0.1, percent)):.1f}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Tell a number with its noun: `1 job`, `1,284 jobs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def since(at: datetime, now: datetime) -> timedelta:
    """Return how long ago a moment is, at least nothing."""
    return max(timedelta(0), now - at)
