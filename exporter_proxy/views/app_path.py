"""Where an app is shown, and which app a path names."""

from urllib.parse import quote, unquote

from aiohttp import web

PREFIX = "/apps/"
APP_PATH = r"/apps/{app:[\s\S]+}"
METRICS_PATH = r"/apps/{app:[\s\S]+}/metrics"
"""To be asked before the other: a name that ends in ``/metrics`` has its slash as ``%2F``."""


def path_of(app: str) -> str:
    """Return where an app is shown."""
    return PREFIX + quote(app, safe="", errors="replace")


def app_of(request: web.Request) -> str:
    """Return the app that a request to ``/apps/<app>`` is about."""
    return unquote(_rest(request))


def app_of_metrics(request: web.Request) -> str:
    """Return the app that a request to ``/apps/<app>/metrics`` is about."""
    return unquote(_rest(request).rpartition("/")[0])


def _rest(request: web.Request) -> str:
    # Not what the router makes of it: a name may have slashes, and what looks like escapes.
    return request.rel_url.raw_path.removeprefix(PREFIX)
