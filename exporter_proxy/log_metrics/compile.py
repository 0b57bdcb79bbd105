"""From what the configuration says about a log to what counts its lines."""

from exporter_proxy.log_metrics.counter import LineCounter
from exporter_proxy.log_metrics.settings import LogSettings


def compile_log(settings: LogSettings, key: str, format_text: str | None = None) -> LineCounter:
    """Return a new counter for the lines of a ``[[log]]`` section.

    Args:
        settings: The section.
        key: How it is called in messages: ``log[0]``.
        format_text: The first line of ``settings.format_file``, which the caller has read, without
            its newline; None: there is no such key, or the file is not looked at yet: then what
            depends on it isn't checked.

    Raises:
        ConfigError: It can't be used; each problem begins with the full name of its key.
    """
    raise NotImplementedError
