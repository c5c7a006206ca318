"""What a costly section's reading is: read only while somebody asks, and forgotten after."""

from enum import Enum
from typing import Any, Literal, Protocol


class Later(Enum):
    """The type of ``LATER``."""

    LATER = "ask again in a moment"


LATER: Literal[Later.LATER] = Later.LATER
"""What a reading returns that needs two looks at the machine and has had but one."""


class OnDemand(Protocol):
    """A reading with a state that lasts while it is wanted."""

    def read(self, now: float) -> Any:
        """The section, None where the machine lacks it, or LATER; ``now`` in monotonic seconds."""

    def forget(self) -> None:
        """Nobody asks any more: drop whatever is kept from one reading to the next."""
