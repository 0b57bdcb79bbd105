"""From what the configuration says about a log to what counts its lines."""

from hashlib import sha256

from exporter_proxy.errors import ConfigError
from exporter_proxy.log_metrics.counter import LineCounter, Reader
from exporter_proxy.log_metrics.rsyncd.reader import RsyncdReader
from exporter_proxy.log_metrics.rsyncd.transfer_line import DEFAULT, transfer_pattern
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
    if settings.preset != "rsyncd":
        raise ConfigError([f'{key}.preset: missing: must be "rsyncd"'])
    format_key = f"{key}.format" if format_text is None else f"{key}.format_file"
    text = settings.format if format_text is None else format_text
    reader: Reader = RsyncdReader(
        transfer_pattern(text or DEFAULT, format_key), settings.max_series
    )
    parts = repr((settings.preset, text))
    return LineCounter(reader, sha256(parts.encode(errors="replace")).hexdigest())
