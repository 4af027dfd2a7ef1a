"""What happened: typed events and facts, and the guard they pass.

In: bytes from the order service. Out: typed events, refusals, facts.
Never: a value in an error, an import of another room.
"""
