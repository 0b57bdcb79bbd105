"""Apps that were dropped not long ago."""

from collections import OrderedDict
from dataclasses import replace

from exporter_proxy.table.rows import Ghost


# A plain dict would be searched for its first from the place on where its first ever was.
class Ghosts(OrderedDict[str, Ghost]):
    """``{app: its ghost}``, the one to be forgotten next first."""

    @property
    def oldest(self) -> str:
        """The app to be forgotten next; there is one."""
        return next(iter(self))

    def is_due(self, now: float) -> bool:
        """Tell whether one is to be forgotten by now."""
        return bool(self) and self[self.oldest].forget_at <= now

    def put_off(self, seconds: float) -> None:
        """Have all of them forgotten so much later, or earlier if it is negative."""
        for app, ghost in self.items():
            self[app] = replace(ghost, forget_at=ghost.forget_at + seconds)
