"""How a field may leave: one operator a file, each a pure function of one value with a closed output type."""

from sharing.operators.band import Band
from sharing.operators.derive import Derive
from sharing.operators.echo import Echo
from sharing.operators.keep import Keep
from sharing.operators.last4 import Last4
from sharing.operators.truncate import Truncate

AnyOperator = Keep | Echo | Band | Truncate | Derive | Last4
OPERATORS: dict[str, type[AnyOperator]] = {
    str(each.__struct_config__.tag): each for each in (Keep, Echo, Band, Truncate, Derive, Last4)
}

__all__ = ["OPERATORS", "AnyOperator", "Band", "Derive", "Echo", "Keep", "Last4", "Truncate"]
