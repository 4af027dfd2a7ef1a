import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.rules.language import Known, compiled


@pytest.fixture
def threads_change_often():
    """As when a library watches the garbage collection: between any two nodes of a tree, another thread may run."""
    threshold = gc.get_threshold()
    gc.callbacks.append(_let_another_run)
    gc.set_threshold(10)
    yield
    gc.set_threshold(*threshold)
    gc.callbacks.remove(_let_another_run)


def _let_another_run(phase, info):
    time.sleep(0.0001)


@pytest.mark.usefixtures("threads_change_often")
def test_expressions_read_by_two_threads_at_once_are_read():
    text = f"max({', '.join(['amount * (hour - 1)'] * 80)}) > 7"
    with ThreadPoolExecutor(3) as pool:
        read = list(pool.map(lambda _: compiled(text, Known(features={"amount": 0, "hour": 1})).text, range(100)))
    assert read == [text] * 100
