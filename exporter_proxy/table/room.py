"""How many apps there is room for, those on their way included."""

from collections.abc import Sized

from exporter_proxy.errors import table_full


class Room:
    """The places of a table.

    Args:
        rows: What has a place each.
        most: How many places there are.
    """

    def __init__(self, rows: Sized, most: int) -> None:
        self.most = most
        self._rows = rows
        # Places that are kept for apps that are on their way.
        self._promised = 0

    def check(self, apps: int) -> None:
        """Refuse a message that brings ``apps`` new apps, if there is no place for them.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        if len(self._rows) + self._promised + apps > self.most:
            raise table_full(self.most)

    def promise(self, apps: int) -> None:
        """Keep places for a message that brings ``apps`` new apps, which come one after another.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        self.check(apps)
        self._promised += apps

    def take(self, apps: int) -> None:
        """Say that ``apps`` of those that places are kept for come now."""
        self._promised -= apps
