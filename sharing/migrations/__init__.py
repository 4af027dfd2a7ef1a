"""Sharing's schema, step by step: each step is a file in `versions`; whoever opens the database runs them."""
