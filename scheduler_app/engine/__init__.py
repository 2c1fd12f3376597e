"""The engine: fires jobs, claims runs, executes and settles them, beats, and rescues the runs of dead engines."""
