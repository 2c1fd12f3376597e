"""Runs of the `celery` executor: published to a broker, and claimed by Celery's workers from our store.

The store stays the truth. A message only says which attempt of which run somebody should claim; it may come twice, late
or never, and no guarantee rests on it.
"""
