"""YAML as the toolkit reads it: a key that is there twice is a mistake."""

from typing import Any

import yaml

from exporter_proxy.errors import quote

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DuplicateKeyError(Exception):
    """A mapping has a key twice; the text says which, and where."""


class _Loader(_Base):  # type: ignore[misc]  # the C loader where the library was built with it
    """Loads plain values alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the library's signature
        """Return a mapping, unless it has a key twice."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    line = key.start_mark.line + 1
                    raise DuplicateKeyError(f"line {line}: {quote(key.value)} is there twice")
                seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load(content: bytes) -> Any:
    """Return what a document of plain values says.

    Raises:
        DuplicateKeyError: A key is there twice.
        yaml.YAMLError: It is no YAML, or has other values.
    """
    return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader
