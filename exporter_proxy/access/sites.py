"""Which requests a browser sends for a page of another site.

Whoever can be made to look at a page would otherwise write from their own machine, which may.
Browsers say with each request that could write for which page they send it, in ``Origin``
(https://fetch.spec.whatwg.org/#origin-header); other clients send no such header.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_of_another_site(headers: Mapping[str, str], *, by_address: bool) -> bool:
    """Tell whether a request comes from a page that is not of this server.

    Args:
        headers: By names in lower case, or whatever their case is.
        by_address: Whether addresses alone say who may write. Then a page's host must be an
            address or ``localhost``: any other name can be had to lead here by who owns it
            (DNS rebinding), while credentials stay with the site that they were given to.
    """
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        site = urlsplit(origin.lower())
        host = site.hostname
    except ValueError:
        return True
    if host is None or site.netloc != headers.get("host", "").lower():
        return True
    return by_address and not _leads_here_for_certain(host)


def _leads_here_for_certain(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
