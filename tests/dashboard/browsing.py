"""A real browser: the Chromium of the system, driven by Playwright, without a window and without the network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")
# milliseconds; a machine may be busy, and five seconds is what Playwright waits by itself
PATIENCE = 60_000


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """Start the browser; it is closed at the end."""
    expect.set_options(timeout=PATIENCE)
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS])
    try:
        yield browser
    finally:
        browser.close()
