"""The page of a dumb proxy: payloads one after another, byte for byte."""

_END = b"# EOF\n"


def close_text(text: bytes) -> bytes:
    """Return ``text`` so that another payload can follow it.

    A missing final newline is added, and the ``# EOF`` that ends an OpenMetrics exposition is left
    out: a reader would stop at it, before the payloads of the other apps. The table keeps the text
    as it came.
    """
    if not text:
        return text
    if not text.endswith(b"\n"):
        text += b"\n"
    if text.endswith(_END) and (len(text) == len(_END) or text[-len(_END) - 1] == 0x0A):
        return text[: -len(_END)]
    return text
