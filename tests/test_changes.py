"""Changes are prepared all together, or not at all."""

import pytest

from exporter_proxy.changes import Change, prepare_all
from exporter_proxy.errors import StartError


async def test_all_are_prepared_in_order():
    done: list[str] = []

    def part(name: str):
        async def prepare() -> Change:
            done.append(f"prepare {name}")
            return Change(lambda: done.append(f"commit {name}"))

        return prepare

    changes = await prepare_all([part("a"), part("b")])
    for change in changes:
        change.commit()
        await change.cancel()
        assert change.finish is None
    assert done == ["prepare a", "prepare b", "commit a", "commit b"]


@pytest.mark.parametrize("error", [StartError("no"), KeyboardInterrupt()])
async def test_what_was_prepared_is_taken_back(error: BaseException):
    """The last one first."""
    done: list[str] = []

    def part(name: str):
        async def cancel() -> None:
            done.append(f"cancel {name}")

        async def prepare() -> Change:
            return Change(lambda: None, cancel)

        return prepare

    async def fail() -> Change:
        raise error

    with pytest.raises(type(error)):
        await prepare_all([part("a"), part("b"), fail, part("c")])
    assert done == ["cancel b", "cancel a"]
