"""Passwords: right and wrong ones, what is kept of them, and how long the line may get."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import bcrypt
import pytest

from exporter_proxy.access.passwords import BusyError, Passwords


def hash_of(password: bytes, cost: int = 4) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()


class Slow:
    """A check that waits until it is let go; a password is right if it is "right"."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.calls: list[tuple[bytes, bytes]] = []

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        """Check, as bcrypt does."""
        self.calls.append((password, hashed))
        assert self.go.wait(15)
        return password == b"right"


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    check = Slow()
    yield check
    check.go.set()


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Passwords]]:
    made: list[Passwords] = []

    def start(*args: object) -> Passwords:
        made.append(Passwords(*args))
        return made[-1]

    yield start
    for passwords in made:
        passwords.close()


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_bcrypt(make, prefix):
    """All forms that tools write."""
    passwords = make({"alice": prefix + hash_of(b"wonder")[4:]})

    assert await passwords.verify("alice", "wonder", "p")
    assert not await passwords.verify("alice", "wander", "p")
    assert not await passwords.verify("alice", "", "p")
    assert not await passwords.verify("bob", "wonder", "p")


async def test_long_passwords(make):
    """Of 72 bytes bcrypt knows; what can't be one at all is not looked at."""
    passwords = make({"alice": hash_of(b"x" * 72)})

    assert await passwords.verify("alice", "x" * 100, "p")
    assert not await passwords.verify("alice", "x" * 71, "p")
    assert not await passwords.verify("alice", "x" * 5000, "p")


async def test_a_name_that_nobody_has_is_checked_too(make, slow):
    """Against a hash as dear as those of the others, which no password has."""
    slow.go.set()
    passwords = make({"alice": hash_of(b"x", 5), "carol": hash_of(b"y", 5)}, slow)

    assert not await passwords.verify("bob", "right", "p")

    [(_, hashed)] = slow.calls
    assert hashed.startswith(b"$2b$05$")
    assert len(hashed) == 60
    assert not bcrypt.checkpw(b"anything", hashed)


async def test_verdicts_are_kept_and_passwords_are_not(make, slow):
    slow.go.set()
    passwords = make({"alice": hash_of(b"x")}, slow)
    for _ in range(3):
        assert await passwords.verify("alice", "right", "p")
        assert not await passwords.verify("alice", "secret-typo", "p")

    assert len(slow.calls) == 2
    assert "secret-typo" not in repr(vars(passwords))


async def test_another_hash_is_another_question(make, slow):
    """A verdict does not outlive the password's change."""
    slow.go.set()
    passwords = make({"alice": hash_of(b"x")}, slow)
    assert await passwords.verify("alice", "right", "p")
    passwords.replace({"alice": hash_of(b"z")})
    await passwords.verify("alice", "right", "p")
    passwords.replace({})

    assert not await passwords.verify("alice", "right", "p")
    assert len(slow.calls) == 3


async def test_wrong_ones_do_not_make_right_ones_forgotten(make, slow, monkeypatch):
    monkeypatch.setattr("exporter_proxy.access.passwords._MAX_WRONG", 3)
    slow.go.set()
    passwords = make({"alice": hash_of(b"x")}, slow)
    await passwords.verify("alice", "right", "p")
    for number in range(10):
        await passwords.verify("alice", f"wrong{number}", "p")
    calls = len(slow.calls)

    assert await passwords.verify("alice", "right", "p")
    assert not await passwords.verify("alice", "wrong9", "p")
    assert len(slow.calls) == calls
    assert len(passwords._wrong) == 3


async def test_one_question_is_asked_once(make, slow):
    """However many ask it at the same time; one who gives up ends it for nobody else."""
    passwords = make({"alice": hash_of(b"x")}, slow)
    asked = [asyncio.ensure_future(passwords.verify("alice", "right", "p")) for _ in range(20)]
    await asyncio.sleep(0)
    asked.pop().cancel()
    slow.go.set()

    assert all(await asyncio.gather(*asked))
    assert len(slow.calls) == 1


async def test_the_line_is_bounded(make, slow):
    """For one peer, and for all; who was let in before does not wait."""
    passwords = make({"alice": hash_of(b"x")}, slow)
    slow.go.set()
    assert await passwords.verify("alice", "right", "good")
    slow.go.clear()
    waiting = [
        asyncio.ensure_future(passwords.verify("alice", f"{peer}-{n}", f"peer{peer}"))
        for peer in range(16)
        for n in range(4)
    ]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await passwords.verify("alice", "one more", "peer1")
    with pytest.raises(BusyError):
        await passwords.verify("alice", "from elsewhere", "peer99")

    assert await passwords.verify("alice", "right", "good")
    slow.go.set()
    assert not any(await asyncio.gather(*waiting))
    assert not await passwords.verify("alice", "one more", "peer1")


async def test_checks_leave_the_loop_alone(make):
    """A check works in a thread and lets go of the interpreter."""
    passwords = make({"alice": hash_of(b"x", 12)})
    asked = asyncio.ensure_future(passwords.verify("alice", "y", "p"))
    turns = 0
    began = time.monotonic()
    while not asked.done():
        await asyncio.sleep(0.001)
        turns += 1
    took = time.monotonic() - began

    # A loop that is held has one turn or two.
    assert turns > 10, f"{turns} turns of the loop in {took:.3f} s"


async def test_an_error_is_no_verdict(make):
    """It is passed on, and the next one asks again."""
    answers = iter([RuntimeError("no"), True])

    def check(*_: bytes) -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    passwords = make({"alice": hash_of(b"x")}, check)
    with pytest.raises(RuntimeError):
        await passwords.verify("alice", "y", "p")

    assert await passwords.verify("alice", "y", "p")


async def test_what_is_known_without_waiting(make):
    """A password that was right, until its hash is another; nothing else, and nobody's neither."""
    hashed = hash_of(b"wonder")
    passwords = make({"alice": hashed})
    assert not passwords.is_right("alice", "wonder")
    await passwords.verify("alice", "wonder", "p")
    await passwords.verify("alice", "wander", "p")
    await passwords.verify("bob", "wonder", "p")

    assert passwords.is_right("alice", "wonder")
    assert not passwords.is_right("alice", "wander")
    assert not passwords.is_right("bob", "wonder")
    assert not passwords.is_right("alice", "w" * 5000)

    passwords.replace({"alice": hash_of(b"wonder")})
    assert not passwords.is_right("alice", "wonder")
