"""The roles, as the front ends ask for them."""

from scheduler_app.domain.key import RANKS, Role, allows

__all__ = ["RANKS", "Role", "allows"]
