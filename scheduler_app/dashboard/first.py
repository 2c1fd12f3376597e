"""The first page of an empty store: three ways to a job."""

from scheduler_app.dashboard.frame import context, render


def show_first() -> str:
    """Show how to get a job in a minute."""
    tasks = [context().registry.get(name) for name in sorted(context().registry.names())]
    return render("first.html", active="pages.show_overview", tasks=tasks)
