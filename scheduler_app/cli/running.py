"""What the commands have in common that run until a signal stops them."""

import logging
import signal

STOPS = (signal.SIGTERM, signal.SIGINT)
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CHATTY = ("apscheduler", "alembic")


def log(level: str, *, chatty: tuple[str, ...] = ()) -> None:
    """Log from a level on; of what the libraries say, only warnings and worse."""
    logging.basicConfig(level=level, format=LOG_FORMAT)
    for name in (*CHATTY, *chatty):
        logging.getLogger(name).setLevel(logging.WARNING)
