"""The case database's schema, step by step: each step is a file in `versions`, run by `review.database.upgrade`."""
