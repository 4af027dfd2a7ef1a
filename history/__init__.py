"""What was decided: the pseudonymous index of orders and decisions, and what became of them.

In: decisions, labels. Out: labels resolved to facts, training tables.
Never: a name, an address or any raw value of an order.
"""
