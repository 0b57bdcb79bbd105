r"""Grouping keys: from the path of a push to labels, and from labels to the name of an app.

A path is ``/metrics/job/<job>{/<label>/<value>}``, as Pushgateway takes it. A name that ends in
``@base64`` has a value in base64, with the alphabet that is safe in URLs (RFC 4648, section 5),
padded or not; one that begins with ``U__`` is a UTF-8 name in Prometheus's escaping by values:
``U__a_2e_b`` is ``a.b``.

An app's name is the key in Prometheus's notation, sorted and escaped: ``{instance="",job="x"}``.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from exporter_proxy.errors import PayloadError, quote

PREFIX = "/metrics/job"
"""How the paths of all groups begin."""

Labels = dict[str, str]

_BASE64 = "@base64"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_UTF8_PREFIX = "U__"
# What follows the prefix: characters as they are, doubled underscores, and code points.
_ESCAPED = re.compile(r"(?:[a-zA-Z0-9:]|__|_[0-9a-fA-F]{1,6}_)+", re.ASCII)
_ESCAPE = re.compile(r"__|_([0-9a-fA-F]{1,6})_", re.ASCII)
_RESERVED = "__"
_SURROGATES = range(0xD800, 0xE000)

_PAIR = re.compile(r'(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"\\]|\\.)*)")="((?:[^"\\]|\\.)*)"(?:,|$)')
_GO_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_GO_LETTERS = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}
_GO_MEANINGS = {shown[1]: character for character, shown in _GO_LETTERS.items()}


def labels_of_path(path: str) -> Labels:
    """Return the labels of the group that a path names.

    Args:
        path: As it came, percent-encoded, without a query; begins with :data:`PREFIX`.

    Returns:
        ``{name: value}`` in the order of the path, ``job`` first, without ``instance`` if that is
        empty: it is then what it is for a group whose path has none.

    Raises:
        PayloadError: ``bad_grouping_key``.
    """
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise _bad(f"the path {quote(path)} is not UTF-8") from None
    if "\0" in text:
        raise _bad(f"the path {quote(path)} has a NUL character in it")
    head, _, rest = text.removeprefix(PREFIX).partition("/")
    if head not in {"", _BASE64}:
        raise _bad(f"improper job label {quote('job' + head)}")
    job, slash, rest = rest.partition("/")
    if head:
        job = _decode(job, f"in job name {quote(job)}")
    if not job:
        raise _bad("job name is required")
    labels = {"job": job}
    if rest:
        _add_pairs(labels, slash + rest)
    # Last, because the path's job counts, whatever labels follow.
    labels["job"] = job
    if not labels.get("instance", "-"):
        del labels["instance"]
    return labels


def _add_pairs(labels: Labels, text: str) -> None:
    components = text[1:].split("/")
    if len(components) % 2:
        raise _bad(f"odd number of components in label string {quote(text)}")
    pairs = zip(components[::2], components[1::2], strict=True)
    for number, (written, value) in enumerate(pairs, 1):
        name = written.removesuffix(_BASE64)
        if not value and number * 2 < len(components):
            # Two slashes in a row, which many clients and proxies make one of.
            raise _bad(
                f"empty value for label {quote(name)}: write it as {quote(f'/{name}@base64/=')}"
            )
        if not is_label_name(name):
            raise _bad(f"improper label name {quote(name)}")
        where = f"for label {name}={quote(value)}"
        labels[_unescape(name)] = value if written == name else _decode(value, where)


def check_labels(labels: Mapping[str, str]) -> Labels:
    """Return a key that is given as labels, as :func:`labels_of_path` returns it.

    Raises:
        PayloadError: ``bad_grouping_key``.
    """
    job = labels.get("job")
    if not job:
        raise _bad("job name is required")
    checked = {"job": job}
    for name, value in labels.items():
        if not name or name.startswith(_RESERVED) or "\0" in name + value:
            raise _bad(f"improper label {quote(f'{name}={value}')}")
        if name != "instance" or value:
            checked[name] = value
    try:
        "".join([*checked, *checked.values()]).encode()
    except UnicodeEncodeError:
        raise _bad(f"the labels of job {quote(job)} are not Unicode") from None
    return checked


def is_label_name(name: str) -> bool:
    """Tell whether ``name`` may stand in a path: a plain name that is not reserved."""
    return _NAME.fullmatch(name) is not None and not name.startswith(_RESERVED)


def _unescape(name: str) -> str:
    """Return what a name in Prometheus's escaping stands for; other names as they are."""
    escaped = name.removeprefix(_UTF8_PREFIX)
    if escaped == name or not _ESCAPED.fullmatch(escaped):
        return name
    codes = [int(code, 16) for code in _ESCAPE.findall(escaped) if code]
    if any(code > 0x10FFFF or code in _SURROGATES or not code for code in codes):
        return name
    meant = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "_", escaped)
    return name if meant.startswith(_RESERVED) else meant


def _decode(value: str, where: str) -> str:
    try:
        # Strictly: whoever decodes what can't be meant writes the wrong group.
        # The other alphabet's sign, which the library lets pass, becomes one that nobody has.
        raw = value.rstrip("=").replace("+", "*").encode("ascii")
        decoded = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise _bad(f"invalid base64 encoding {where}") from None
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        raise _bad(f"invalid base64 encoding {where}: not UTF-8") from None
    if "\0" in text:
        raise _bad(f"invalid value {where}: a NUL character")
    return text


def _bad(message: str) -> PayloadError:
    return PayloadError(message, reason="bad_grouping_key")


def app_name(labels: Mapping[str, str]) -> str:
    """Return the name of the app that a group is, ``instance`` in it even where it has none."""
    shown = {"instance": "", **labels}
    pairs = (f'{_shown_name(name)}="{_escape(shown[name])}"' for name in sorted(shown))
    return f"{{{','.join(pairs)}}}"


def labels_of_app(app: str) -> Labels | None:
    """Return the labels that :func:`app_name` made a name of; None: it made none of that kind."""
    labels: Labels = {}
    if not app.startswith("{") or not app.endswith("}"):
        return None
    inner = app[1:-1]
    end = 0
    for found in _PAIR.finditer(inner):
        if found.start() != end:
            return None
        end = found.end()
        plain, quoted, value = found.groups()
        labels[plain if quoted is None else _meant(quoted)] = _meant(value)
    if end != len(inner) or "job" not in labels:
        return None
    if not labels.get("instance", "-"):
        del labels["instance"]
    return {"job": labels.pop("job"), **labels}


def _shown_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else f'"{_escape(name)}"'


def _escape(text: str) -> str:
    """Return ``text`` as Go quotes it, without the quotes: printable, on one line."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(map(_escaped_character, text))


def _escaped_character(character: str) -> str:
    known = _GO_LETTERS.get(character)
    if known is not None:
        return known
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"


def _meant(text: str) -> str:
    if "\\" not in text:
        return text
    return _GO_ESCAPE.sub(_meaning, text)


def _meaning(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is not None:
        return chr(int(code, 16))
    return _GO_MEANINGS.get(found[4], found[4])
