from pathlib import Path

from review.workflow import TRANSITIONS

PAGE = Path(__file__).parents[2] / "docs" / "console.md"


def test_the_pages_table_of_states_is_the_workflows() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| from | action | to |") + 2
    rows = lines[start : lines.index("", start)]
    assert rows == [f"| {origin} | {action} | {state} |" for (origin, action), state in TRANSITIONS.items()]
