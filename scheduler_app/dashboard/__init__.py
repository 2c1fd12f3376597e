"""The pages: what ran, what runs, what will run, and what is wrong, rendered on the server.

They read through the same services as the API; every form works without a script, and scripts call the public API only.
"""

from scheduler_app.dashboard.pages import NEEDS, OPEN, create_pages, tell

__all__ = ["NEEDS", "OPEN", "create_pages", "tell"]
