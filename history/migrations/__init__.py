"""The index's schema, step by step: each step is a file in `versions`, run by `history.database.upgrade`."""
