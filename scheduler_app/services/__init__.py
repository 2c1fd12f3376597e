"""Use cases: each a short paragraph over the domain and the store."""
