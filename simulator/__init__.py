"""A store to try Amana with: customers with habits, visits, orders, activity, labels and labelled frauds.

In: settings with a seed. Out: events in event-time order with their wire bytes, and the truth about each order.
Never: a clock, a network, an unseeded draw, or a field that gives a fraud away by itself.
"""
