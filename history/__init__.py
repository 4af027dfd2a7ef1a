"""What was decided: the pseudonymous index of orders and decisions, what became of them, how sessions came to them.

In: decisions, labels, visits. Out: labels resolved to facts, training tables, sessions' last pages.
Never: a name, an address or any raw value of an order.
"""
