"""Measurements: each module prints a table and writes its results with the machine and versions they were taken on."""
