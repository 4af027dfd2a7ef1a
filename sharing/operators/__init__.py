"""How a field may leave: one operator a file, each a pure function of one value with a closed output type."""

from sharing.operators.band import Band
from sharing.operators.constant import Constant
from sharing.operators.count import Count
from sharing.operators.derive import Derive
from sharing.operators.disclose import Disclose
from sharing.operators.echo import Echo
from sharing.operators.generalise import Generalise
from sharing.operators.keep import Keep
from sharing.operators.last4 import Last4
from sharing.operators.pseudonym import Pseudonym
from sharing.operators.truncate import Truncate

AnyOperator = (
    Keep | Band | Truncate | Generalise | Last4 | Pseudonym | Echo | Disclose | Count | Constant | Derive
)  # fmt: skip
_ALL: tuple[type[AnyOperator], ...] = (
    Keep, Band, Truncate, Generalise, Last4, Pseudonym, Echo, Disclose, Count, Constant, Derive,
)  # fmt: skip
OPERATORS: dict[str, type[AnyOperator]] = {str(each.__struct_config__.tag): each for each in _ALL}

__all__ = [
    "OPERATORS", "AnyOperator", "Band", "Constant", "Count", "Derive", "Disclose", "Echo", "Generalise", "Keep",
    "Last4", "Pseudonym", "Truncate",
]  # fmt: skip
