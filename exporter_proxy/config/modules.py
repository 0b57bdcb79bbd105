"""What is asked on demand or on an interval: the ``[[module]]`` sections."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from exporter_proxy.config.endpoints import APP, BASIC_AUTH, HEADERS, BasicAuth, Url
from exporter_proxy.config.endpoints import check_endpoint as check_authentication
from exporter_proxy.config.kinds import Age, Boolean, Duration, Integer, Size, UnfitError, join
from exporter_proxy.config.labels import PATTERN
from exporter_proxy.config.tables import ListOf, Section, TableOf, Written
from exporter_proxy.config.texts import Choice, Path, String
from exporter_proxy.config.urls import split_url
from exporter_proxy.config.values import Secret
from exporter_proxy.errors import ConfigError, quote

MODULE_SOURCE: Final = "module: "
"""What the source of every app of a module begins with, as ``/apps`` shows it."""

ModuleKind = Literal["http", "exec", "file", "directory"]

_KINDS: Final[tuple[ModuleKind, ...]] = ("http", "exec", "file", "directory")
# The keys that only some kinds have a use for.
_ONLY: Final[dict[str, tuple[ModuleKind, ...]]] = {
    "url": ("http",),
    "headers": ("http",),
    "basic_auth": ("http",),
    "bearer_token_file": ("http",),
    "ca_file": ("http",),
    "allow_invalid_certs": ("http",),
    "params": ("http", "exec"),
    "command": ("exec",),
    "env": ("exec",),
    "inherit_env": ("exec",),
    "cwd": ("exec",),
    "max_concurrent": ("exec",),
    "path": ("file", "directory"),
    "max_age": ("file", "directory"),
    "files": ("directory",),
    "max_files": ("directory",),
}
_NEEDS: Final[dict[ModuleKind, str]] = {
    "http": "url",
    "exec": "command",
    "file": "path",
    "directory": "path",
}
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class Interval(Duration):
    """From one poll to the next; 0: there are none."""

    def __init__(self) -> None:
        super().__init__(0.1, '15 or "1m"')
        self.expected += ", or 0 for on demand only"

    def convert(self, value: object) -> float:
        """See :meth:`Kind.convert`."""
        if value == 0 and not isinstance(value, bool):
            return 0.0
        return super().convert(value)


class Command(ListOf[str]):
    """A program and its arguments: no shell has a part in it."""

    def read(self, value: object, key: str) -> tuple[str, ...]:
        """See :meth:`Kind.read`."""
        words = super().read(value, key)
        if not words or not words[0]:
            raise ConfigError([f"{key}: empty: must be {self.expected}"])
        return words


def _check_text(text: str) -> str:
    if "\0" in text:
        raise UnfitError
    return text


def _check_variable(name: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise UnfitError("must be the name of an environment variable, such as LANG")


def _check_parameter(name: str) -> None:
    if not _PARAMETER.fullmatch(name):
        raise UnfitError("must be a parameter's name: letters, digits and _, no digit first")


def _check_glob(text: str) -> str:
    if not text or "/" in text or "\0" in text:
        raise UnfitError
    return text


TIMEOUT = 10.0
"""Seconds that a module may take unless told otherwise."""

_WORD = String("a string without NUL", _check_text)
_COMMAND = Command(_WORD, 'a list, a program and its arguments, such as ["/usr/bin/env", "-0"]')
_ENV = TableOf(_WORD, 'a table of variables, such as { LANG = "C.UTF-8" }', _check_variable)
_PARAMS = TableOf(
    PATTERN, 'a table of regular expressions, such as { target = "[a-z0-9.]+" }', _check_parameter
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleConfig:
    """A ``[[module]]`` section.

    Attributes:
        name: As ``/proxy?module=`` names it.
        kind: What it is.
        app: The app that its metrics belong to when it is polled; None: as the module is called.
        interval: Seconds from one poll into the table to the next; 0: on demand only.
        timeout: Seconds that it may take; unset, and with a shorter interval, as long as that.
        on_failure: What becomes of the last good metrics when a poll fails.
        max_body_size: Bytes of a page, an output or a file.
        verify: Whether what comes back on demand must be exposition.
        url: Of a local exporter, without user info, which is in ``basic_auth``.
        headers: To send.
        basic_auth: Name and password to send.
        bearer_token_file: A file with a token to send.
        ca_file: Authorities to trust instead of the system's.
        allow_invalid_certs: Whether a certificate that can't be verified is accepted.
        params: Patterns of the parameters that are taken; None: all for a URL, none for a program.
        command: A program and its arguments.
        env: Environment variables for it.
        inherit_env: Whether it has the proxy's own environment, too.
        cwd: Its working directory.
        max_concurrent: How many of it run at once.
        path: Of a textfile, or of a directory of textfiles.
        max_age: Seconds since its last change after which a file counts as failed.
        files: Which files of a directory are read, as the shell's patterns have it.
        max_files: How many of a directory are read.
    """

    name: Annotated[str, APP]
    kind: Annotated[ModuleKind, Choice(*_KINDS)]
    app: Annotated[str | None, APP] = None
    interval: Annotated[float, Interval()] = 0.0
    timeout: Annotated[float, Duration(0.001, '10 or "500ms"')] = TIMEOUT
    on_failure: Annotated[Literal["keep", "drop"], Choice("keep", "drop")] = "keep"
    max_body_size: Annotated[int, Size()] = 64 * 2**20
    verify: Annotated[bool, Boolean()] = True
    url: Annotated[str | None, Url()] = None
    headers: Annotated[dict[str, Secret], HEADERS] = field(default_factory=dict)
    basic_auth: Annotated[BasicAuth | None, BASIC_AUTH] = None
    bearer_token_file: Annotated[str | None, Path()] = None
    ca_file: Annotated[str | None, Path()] = None
    allow_invalid_certs: Annotated[bool, Boolean()] = False
    params: Annotated[dict[str, str] | None, _PARAMS] = None
    command: Annotated[tuple[str, ...] | None, _COMMAND] = None
    env: Annotated[dict[str, str], _ENV] = field(default_factory=dict)
    inherit_env: Annotated[bool, Boolean()] = False
    cwd: Annotated[str, Path()] = "/"
    max_concurrent: Annotated[int, Integer(1, 1024)] = 1
    path: Annotated[str | None, Path()] = None
    max_age: Annotated[float, Age()] = float("inf")
    files: Annotated[str, String('a pattern of file names, such as "*.prom"', _check_glob)] = (
        "*.prom"
    )
    max_files: Annotated[int, Integer(1, 100_000)] = 1000

    @property
    def app_name(self) -> str:
        """The app of a module that is polled; what its apps begin with, of a directory."""
        return self.name if self.app is None else self.app

    @property
    def source(self) -> str:
        """As ``/apps`` shows it."""
        return f"{MODULE_SOURCE}{self.name}"


def placeholders(text: str, params: dict[str, str]) -> list[str]:
    """Return the declared parameters whose values ``text`` takes in, each written ``{name}``."""
    return [name for name in re.findall(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", text) if name in params]


def _check_module(written: Written, key: str) -> list[str]:
    kind = written.values.get("kind")
    if kind is None:
        return []
    problems = [
        f"{join(key, name)}: has no effect for the kind {quote(kind)}: it is for "
        f"{' and '.join(quote(each) for each in _ONLY[name])}"
        for name in written.raw
        if name in _ONLY and kind not in _ONLY[name]
    ]
    needed = _NEEDS[kind]
    if needed not in written.raw:
        problems.append(f"{join(key, needed)}: missing: the kind {quote(kind)} needs it")
    problems += check_authentication(written, key)
    params = written.values.get("params")
    if kind == "exec" and params is not None and "command" in written.values:
        problems += _check_placeholders(written, params, key)
    return problems


def _check_placeholders(written: Written, params: dict[str, str], key: str) -> list[str]:
    """Every parameter must go somewhere, and a poll has none to fill in."""
    words = written.values["command"]
    texts = (*words[1:], *written.values.get("env", {}).values())
    used = {name for text in texts for name in placeholders(text, params)}
    problems = [
        f"{join(key, 'params')}.{name}: must be used in command or env, as {{{name}}}"
        for name in params
        if name not in used
    ]
    if placeholders(words[0], params):
        problems.append(f"{join(key, 'command')}: the program itself can't be a parameter")
    required = [
        name for text in texts for name in placeholders(text, params) if text != f"{{{name}}}"
    ]
    if required and written.values.get("interval"):
        problems.append(
            f"{join(key, 'interval')}: must be 0: a poll has no value for the parameter "
            f"{quote(required[0])}"
        )
    return problems


class ModuleSection(Section[ModuleConfig]):
    """A ``[[module]]`` section, with the user info of its URL taken apart."""

    def read_keys(self, value: object, key: str) -> dict[str, Any]:
        """See :meth:`Section.read_keys`."""
        values = super().read_keys(value, key)
        url = split_url(values.get("url", ""))
        if url is not None:
            values["url"] = url.url
            if url.username is not None:
                password = None if url.password is None else Secret(url.password)
                values["basic_auth"] = BasicAuth(url.username, password)
        # As Prometheus does for scrapes: what was not asked for can't be at odds with what was.
        if values.get("interval") and "timeout" not in values:
            values["timeout"] = min(TIMEOUT, values["interval"])
        return values


class ModuleList(ListOf[ModuleConfig]):
    """All ``[[module]]`` sections; no two of one name, or for one app."""

    def read(self, value: object, key: str) -> tuple[ModuleConfig, ...]:
        """See :meth:`Kind.read`."""
        modules = super().read(value, key)
        problems: list[str] = []
        names: dict[str, str] = {}
        apps: dict[str, str] = {}
        for number, module in enumerate(modules):
            own = f"{key}[{number}]"
            owner = names.setdefault(module.name, own)
            if owner != own:
                problems.append(f"{own}.name: {quote(module.name)}: is the name of {owner}, too")
                continue
            if not module.interval:
                continue
            owner = apps.setdefault(module.app_name, own)
            if owner != own:
                problems.append(
                    f"{own}: {quote(module.app_name)}: names the same app as {owner}: give one of "
                    "them another app"
                )
        if problems:
            raise ConfigError(problems)
        return modules


MODULES = ModuleList(
    ModuleSection(
        ModuleConfig,
        _check_module,
        expected="a section, written [[module]]",
        place="[[module]]",
    ),
    "sections, each written [[module]]",
)
