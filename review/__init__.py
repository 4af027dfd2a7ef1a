"""What people decide: cases of flagged orders, opened from decisions, decided by analysts.

In: decisions, raw orders by their coordinates, analysts' decisions. Out: cases, partners' messages, labels.
Never: a personal value in clear in the database, unmasked on a terminal, or in an error.
"""
