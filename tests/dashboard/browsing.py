"""A real browser: the Chromium of the system, driven by Playwright, without a window and without the network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """Start the browser; it is closed at the end."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS])
    try:
        yield browser
    finally:
        browser.close()
