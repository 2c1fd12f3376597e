"""A world to look at: the tasks and jobs of a shop on Sunday, 22 November 2026, at 16:12:08 in Berlin."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scheduler_app.domain.task import Registry, Task

NOW = datetime(2026, 11, 22, 15, 12, 8, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job of the world, and how its runs usually go: seconds, and of a thousand runs how many fail."""

    id: str
    task: str
    trigger: dict[str, Any] | None
    usual: float = 5.0
    tags: tuple[str, ...] = ()
    failing: float = 0.2
    name: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, Any] = field(default_factory=dict)


def cron(expression: str, zone: str = BERLIN, **more: Any) -> dict[str, Any]:
    return {"type": "cron", "expression": expression, "timezone": zone, **more}


def every(start: str = "2026-01-01T00:00:00Z", **units: int) -> dict[str, Any]:
    return {"type": "interval", "start_date": start, **units}


ONE_OFF = {"type": "date", "run_date": "2026-11-24T22:00:00+01:00"}
MONTHLY = {"type": "calendarinterval", "months": 1, "hour": 6, "start_date": "2026-01-01", "timezone": BERLIN}
NAMED = (
    ("import-bank-statements", "bank.import_statements", cron("*/15 * * * *"), 8.3, "billing"),
    ("invoice-reminders", "billing.remind", cron("0 9 * * 1-5"), 41, "billing"),
    ("monthly-report", "reports.monthly", MONTHLY, 380, "billing"),
    ("sync-ledger", "erp.sync_ledger", every(minutes=5), 12, "billing,erp"),
    ("post-invoices", "erp.post_invoices", every(minutes=20), 19, "billing,erp"),
    ("dunning-letters", "billing.dun", cron("30 8 * * 1"), 95, "billing"),
    ("rebuild-search-index", "search.reindex", cron("58 1-23/2 * * *"), 590, "catalog"),
    ("sync-products-eu", "catalog.sync", every("2026-01-01T00:02:01Z", minutes=5), 11, "catalog"),
    ("sync-products-us", "catalog.sync", every(minutes=5), 12, "catalog"),
    ("price-watch", "catalog.prices", cron("*/15 * * * *", jitter=30), 40, "catalog"),
    ("warm-cache", "web.warm", every(minutes=10), 3.9, "catalog,web"),
    ("thumbnail-backlog", "media.thumbnails", None, 0, "catalog"),
    ("train-recommender", "ml.train", cron("0 3 * * *"), 720, "catalog,ml"),
    ("stock-levels", "catalog.stock", every(minutes=30), 16, "catalog"),
    ("feed-google", "catalog.feed", cron("10 */6 * * *"), 130, "catalog,ads"),
    ("feed-idealo", "catalog.feed", cron("25 */6 * * *"), 88, "catalog,ads"),
    ("nightly-backup", "db.backup", cron("30 2 * * *"), 2290, "ops"),
    ("expire-sessions", "auth.expire", every("2026-01-01T00:00:30Z", minutes=1), 1.1, "ops"),
    ("geo-lookup-refresh", "geo.refresh", cron("0 */6 * * *"), 65, "ops"),
    ("legacy-ftp-pull", "ftp.pull", cron("20 * * * *"), 27, "ops"),
    ("certificate-check", "tls.check", cron("0 6 * * *", "America/New_York"), 4.4, "ops"),
    ("vacuum-events", "db.vacuum", cron("45 2 * * *"), 210, "ops"),
    ("rotate-logs", "ops.rotate", cron("0 0 * * *"), 7, "ops"),
    ("disk-report", "ops.disk", cron("15 7 * * *"), 2.4, "ops"),
    ("restore-drill", "db.restore", cron("0 4 * * 6"), 1900, "ops"),
    ("health-probe", "ops.probe", every(minutes=2), 0.4, "ops"),
    ("sitemap", "web.sitemap", cron("0 * * * *"), 22, "web"),
    ("refresh-exchange-rates", "fx.refresh", cron("5 * * * *"), 0.8, "web"),
    ("crawl-broken-links", "web.crawl", cron("40 3 * * 0"), 1260, "web"),
    ("newsletter", "mail.send", cron("0 10 * * 2"), 640, "mail"),
    ("digest", "mail.digest", cron("0 8 * * *"), 73, "mail"),
    ("bounce-cleanup", "mail.bounces", cron("50 * * * *"), 5.2, "mail"),
    ("abandoned-carts", "shop.carts", cron("35 * * * *"), 18, "shop"),
    ("loyalty-points", "shop.loyalty", cron("20 1 * * *"), 260, "shop"),
    ("fraud-score", "shop.fraud", every(minutes=10), 6.6, "shop"),
    ("gift-card-expiry", "shop.giftcards", cron("5 0 * * *"), 12, "shop"),
    ("tax-rates", "erp.taxes", cron("0 5 1 * *"), 33, "erp"),
    ("orders-to-warehouse", "erp.orders", every(minutes=15), 9.4, "erp"),
    ("gdpr-export-8841", "privacy.export", ONE_OFF, 30, "one-off"),
    ("quarterly-audit-file", "reports.audit", cron("0 6 1 1,4,7,10 *"), 840, "reports"),
)
FAILING = {
    "sync-products-us": 12.0,
    "legacy-ftp-pull": 180.0,
    "sync-ledger": 3.0,
    "price-watch": 4.0,
    "health-probe": 0.1,
}
POLICIES: dict[str, dict[str, Any]] = {
    "nightly-backup": {"misfire_grace_time": 600, "timeout": 7200},
    "import-bank-statements": {"misfire_grace_time": 900},
    "sync-ledger": {"concurrency_key": "erp", "overlap": "skip"},
    "sync-products-eu": {"concurrency_key": "erp"},
    "post-invoices": {"concurrency_key": "erp", "max_retries": 2},
    "train-recommender": {"executor": "celery"},
    "health-probe": {"timeout": 30},
}
KWARGS: dict[str, dict[str, Any]] = {
    "nightly-backup": {"database": "orders", "keep_days": 14},
    "sync-products-eu": {"shop": "eu"},
    "sync-products-us": {"shop": "us"},
    "train-recommender": {"epochs": 30},
}
SHOPS = ("berlin", "lisbon", "oslo", "turin", "ghent", "malmo", "porto", "graz", "lyon", "brno")
SHOP_WORK = (
    ("stock", "shop.stock", 14),
    ("till", "shop.till", 3.1),
    ("prices", "shop.prices", 8),
    ("reports", "shop.report", 24),
)
HOSTILE = (
    ("hostile-script", '<script>alert("1")</script><img src=x onerror=alert(2)>'),
    ("hostile-long", "a-name-without-any-space-" * 7 + "-the-end"),
    ("hostile-right-to-left", "تقرير المبيعات الأسبوعي של יום ראשון"),
    ("hostile-emoji", "👩‍👩‍👧‍👦 family report 🚀🚀🚀 {{ 7 * 7 }} %s"),
    ("x" * 191, "x" * 191),
)


def works(number: int, *, hostile: bool = False) -> Iterator[Work]:
    """Yield the named jobs, and others of many shops until there are `number`."""
    for job_id, task, trigger, usual, tags in NAMED[:number]:
        yield Work(
            id=job_id,
            task=task,
            trigger=trigger,
            usual=usual,
            tags=tuple(tags.split(",")),
            failing=FAILING.get(job_id, 0.15),
            kwargs=KWARGS.get(job_id, {}),
            policies=POLICIES.get(job_id, {}),
        )
    for job_id, name in HOSTILE if hostile else ():
        trigger = every(minutes=30)
        yield Work(id=job_id, name=name, task="shop.report", trigger=trigger, usual=4, tags=(name[:64],), failing=400)
    luck = random.Random(22)
    for at in range(max(0, number - len(NAMED))):
        kind, task, usual = SHOP_WORK[at % len(SHOP_WORK)]
        shop = f"{SHOPS[at // 4 % len(SHOPS)]}-{at // 40 + 1:02d}"
        hour = luck.choice((0, 0, 2, 2, 2, 3, 6, 9, *range(24)))
        hours = hour if at % 6 else f"{luck.randrange(6)}-23/6"
        expression = f"{luck.randrange(60)} {hours} * * {luck.choice(('*', '*', '*', '*', '1-5', '1-5', '0,6', '1'))}"
        yield Work(
            id=f"{kind}-{shop}",
            task=task,
            trigger=cron(expression),
            usual=usual * luck.uniform(0.5, 2),
            tags=("shops", shop[:-3]),
            failing=0.05,
        )


def registry() -> Registry:
    """Return the tasks of the world, but for the one that no engine knows any more."""
    known = Registry()
    for task in TASKS:
        known.add(task)
    for name in sorted({*(named[1] for named in NAMED), *(work[1] for work in SHOP_WORK)}):
        if name != "geo.refresh" and known.find(name) is None:
            known.add(Task.of(_plain(DOCS.get(name, "")), name=name))
    return known


def _plain(doc: str) -> Callable[[], None]:
    def work() -> None: ...

    work.__doc__ = doc
    return work


def backup(database: str, keep_days: int = 14) -> str:
    """Dump a database to object storage and verify it."""
    return f"{database} {keep_days}"


def sync(shop: str = "eu", dry_run: bool = False) -> None:
    """Copy products and prices from the supplier."""


def train(epochs: int = 30) -> None:
    """Train the recommender on last month's orders."""


def count(n: int = 10) -> str:
    """Count to n, one a second. Shows progress and a log; can be cancelled."""
    return str(n)


TASKS = (
    Task.of(count, name="demo.count"),
    Task.of(backup, name="db.backup"),
    Task.of(sync, name="catalog.sync"),
    Task.of(train, name="ml.train", executor="celery"),
)
DOCS = {
    "auth.expire": "Delete sessions older than the limit.",
    "bank.import_statements": "Fetch bank statements over SFTP and book them.",
    "search.reindex": "Rebuild the search index, segment by segment.",
    "reports.monthly": "Build the monthly report and mail it.",
}
