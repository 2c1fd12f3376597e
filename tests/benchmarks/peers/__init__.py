"""The peers' own programs, each set up as its documentation does it; BROKER names what they share.

A module has `add(sent)`, which adds one job whose task notes how old `sent` is, and `waiting()`, how many are there.
Results are off everywhere, since the task has none.
"""
