"""All SQL, and nothing but SQL: one function a statement. All tables are known once any module of it is."""

from scheduler_app.store import callers as callers
