"""All SQL, and nothing but SQL: one function a statement."""
