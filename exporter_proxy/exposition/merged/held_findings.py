"""What one format of the page shows of apps in another way than they sent it, or not at all."""

from collections import Counter
from collections.abc import Mapping, Sequence

from exporter_proxy.exposition.aliases import restored_name
from exporter_proxy.exposition.model import Finding


class HeldFindings:
    """Findings of a writer, by app and family."""

    def __init__(self) -> None:
        self._families: dict[bytes, Mapping[int, tuple[str, ...]]] = {}
        self._apps: dict[int, dict[bytes, tuple[str, ...]]] = {}
        self._touched: set[int] = set()

    def put(self, name: bytes, found: Mapping[int, tuple[str, ...]]) -> None:
        """Replace what is known of a family.

        Args:
            name: The family.
            found: ``{number of an app: reasons}``, of apps that have any.
        """
        before = self._families.pop(name, {})
        if found:
            self._families[name] = found
        for app in before.keys() | found.keys():
            reasons = found.get(app)
            if before.get(app) == reasons:
                continue
            self._touched.add(app)
            families = self._apps.setdefault(app, {})
            if reasons is None:
                del families[name]
            else:
                families[name] = reasons
            if not families:
                del self._apps[app]

    def of(self, app: int) -> Sequence[Finding]:
        """Return the findings of an app, one for each reason; each names one family."""
        times: Counter[str] = Counter()
        names: dict[str, bytes] = {}
        for name, reasons in self._apps.get(app, {}).items():
            for reason in reasons:
                times[reason] += 1
                names[reason] = min(name, names.get(reason, name))
        shown = {reason: restored_name(name) for reason, name in names.items()}
        return [
            Finding(reason, times[reason], 0, shown[reason].decode(errors="backslashreplace"))
            for reason in sorted(times)
        ]

    @property
    def apps(self) -> set[int]:
        """The apps that have findings."""
        return {*self._apps}

    def take(self) -> set[int]:
        """Return the apps whose findings are others than when this was called last."""
        taken, self._touched = self._touched, set()
        return taken
