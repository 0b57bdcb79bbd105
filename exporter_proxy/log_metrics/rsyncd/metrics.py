"""The metric families of an rsync daemon's log."""

from exporter_proxy.log_metrics.families import CounterFamily, Family, HistogramFamily

SIZE_BUCKETS = [10.0**exponent for exponent in range(3, 13)]


class RsyncdMetrics:
    """The families, each under a name of its own.

    Args:
        max_series: Label sets of each.
    """

    def __init__(self, max_series: int) -> None:
        def counter(name: str, help_text: str, *labels: str) -> CounterFamily:
            return CounterFamily(name, help_text, labels, max_series)

        self.connections = counter("rsync_connections_total", "Connections to the daemon.")
        self.executions = counter(
            "rsync_executions_total",
            'Transfers and listings begun; direction is the daemon\'s: "send" or "receive".',
            "module",
            "direction",
        )
        self.errors = counter(
            "rsync_errors_total",
            "Executions that failed, by rsync's exit code.",
            "status_code",
        )
        self.sent = counter("rsync_sent_bytes_total", "Bytes that the daemon sent.", "module")
        self.received = counter(
            "rsync_received_bytes_total", "Bytes that the daemon received.", "module"
        )
        self.exchanged = counter(
            "rsync_exchanged_bytes_total", "Bytes sent and received together.", "module"
        )
        self.file_size = counter(
            "rsync_file_size_bytes_total",
            "Sizes of all files that the executions were about, transferred or not.",
            "module",
        )
        self.exchange = HistogramFamily(
            "rsync_execution_exchanged_bytes",
            "Bytes sent and received by each execution.",
            SIZE_BUCKETS,
            ["module"],
            max_series,
        )
        self.files = counter(
            "rsync_files_total",
            "Files that were sent, received or deleted, if the daemon logs them.",
            "module",
            "operation",
        )
        self.listings = counter("rsync_module_lists_total", "Requests for the list of modules.")
        self.denied = counter(
            "rsync_denied_total",
            'Connections that a module refused: by the client\'s address ("host") or because there '
            'were too many ("max_connections").',
            "module",
            "reason",
        )
        self.unknown_modules = counter(
            "rsync_unknown_modules_total", "Requests for modules that there are not."
        )
        self.auth_failures = counter(
            "rsync_auth_failures_total", "Failed authentications.", "module"
        )

    def families(self) -> list[Family[int]]:
        """Return all of them, in the order in which they are shown."""
        return list(vars(self).values())
