"""The peers that Amana is measured beside: each a process that does the same work with the same functions."""
