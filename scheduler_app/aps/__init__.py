"""What APScheduler's users hold in hand: its job store, its jobs and its triggers, over our store and use cases."""
