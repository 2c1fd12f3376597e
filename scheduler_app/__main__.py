"""`python -m scheduler_app` is `scheduler-app`."""

from scheduler_app.cli import main

main()
