"""The analysts' console: pages over the cases, in Arabic or English, usable with scripts off.

In: a request with a session. Out: a page, or a redirect after a change.
Never: a personal value in an address; anything from or to another host; a route without a stated permission.
"""
