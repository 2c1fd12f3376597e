"""The history of the schema, and the one way to bring a store up to date."""
