"""What a source knows of an app besides its payload: labels of all its samples, and findings."""

from collections.abc import Mapping, Sequence

from exporter_proxy.exposition.model import Finding
from exporter_proxy.exposition.rules import Rules


class Given:
    """Labels that stand outside of an app's payload, and what became of what it can't hold.

    The labels come to the samples before those of the configuration do. They are added when the
    payload is read for the page, in the same step as those: once, and only if anyone looks.

    Args:
        labels: ``{name: value}``; they win over labels that a sample has. One that is empty is
            written as such.
        defaults: ``{name: value}``, for samples without such a label; none of ``labels``.
        findings: What the source found out and the payload doesn't show any more.
    """

    __slots__ = ("_base", "_rules", "defaults", "findings", "labels")

    def __init__(
        self,
        labels: Mapping[str, str],
        defaults: Mapping[str, str],
        findings: Sequence[Finding] = (),
    ) -> None:
        self.labels = labels
        self.defaults = defaults
        self.findings = findings
        self._base: Rules | None = None
        self._rules = Rules()

    def on(self, base: Rules) -> Rules:
        """Return ``base`` with these labels beneath it."""
        if base is not self._base:
            self._rules = self._combine(base)
            self._base = base
        return self._rules

    def _combine(self, base: Rules) -> Rules:
        own = {**self.defaults, **self.labels}
        override = frozenset(self.labels)
        if base.override_labels is True:
            labels = {**own, **base.labels}
            override |= frozenset(base.labels)
        else:
            # The configuration's labels find these on the sample, as if it had come with them.
            labels = {**base.labels, **own}
        return Rules(
            labels=labels,
            override_labels=override,
            empty_labels=frozenset(name for name in own if labels[name] == own[name]),
            keep=base.keep,
            drop=base.drop,
            honor_timestamps=base.honor_timestamps,
        )
