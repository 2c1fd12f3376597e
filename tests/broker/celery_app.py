"""A user's own Celery app that carries our runs too, by one line."""

import os

from celery import Celery
from flask import Flask

from scheduler_app import Scheduler
from tests.broker import celery_functions

app = Flask(__name__, instance_path=os.environ["INSTANCE"])
scheduler = Scheduler(app)
add = scheduler.task(executor="celery")(celery_functions.add)

celery = Celery("shop", broker=os.environ["BROKER"])
scheduler.attach(celery)
scheduler.attach(celery)  # as an app factory that is called twice does


@celery.task
def own(number: int) -> int:
    """A task of the user's own."""
    print(f"own {number}")
    return number
