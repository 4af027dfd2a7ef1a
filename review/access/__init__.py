"""Who may do what in review: accounts, sign-in, sessions and the table of roles.

In: a name and a password, or a session's token. Out: the person, with the permissions of their roles.
Never: a password, a token or a customer's data in a store, a log or an error.
"""
