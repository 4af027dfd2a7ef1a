"""One of Python's own parsers at a time.

CPython before 3.11.8 counts the depth of syntax trees for all threads together: of two that are made at once, one can
end in a SystemError (python/cpython gh-106905). A model file makes some as well: NumPy reads its arrays' headers so.
"""

from threading import Lock

ALONE = Lock()
