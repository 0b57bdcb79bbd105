"""Real programs, well-behaved and not."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter_proxy.errors import ModuleError
from exporter_proxy.modules import OPENMETRICS_TYPE, TEXT_TYPE, Ask
from exporter_proxy.sources.module import process
from exporter_proxy.sources.module.program import ExecModule
from tests.proxy_process import DEADLINE_SECONDS
from tests.sources.module.modules import held, is_running, module, release, script


async def output(text: str, *, params: tuple[tuple[str, str], ...] = (), **keys: object) -> str:
    """Return what a script wrote."""
    answer = await ExecModule(script(text, **keys)).fetch(Ask(params), DEADLINE_SECONDS)
    return b"".join(answer.payload).decode()


async def failure(text: str, seconds: float = DEADLINE_SECONDS, **keys: object) -> tuple[str, str]:
    """Return reason and message of a script that fails."""
    kind = ExecModule(script(text, **keys))
    with pytest.raises(ModuleError) as caught:
        await kind.fetch(Ask(), seconds)
    await kind.close(DEADLINE_SECONDS)
    return caught.value.reason, str(caught.value)


async def eventually(ask: Callable[[], object], what: str) -> None:
    """Wait until something is so that other processes bring about."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not ask():  # noqa: ASYNC110 - others bring it about
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"waited in vain for {what}")


async def gone(file: Path) -> None:
    """Wait until none of the processes is left whose numbers are in a file."""
    pids = [int(each) for each in file.read_text().split()]  # noqa: ASYNC240 - a few bytes
    await eventually(lambda: not any(map(is_running, pids)), "the end of the processes")


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_output():
    assert await output("echo x 1; echo noise >&2; echo 'y{a=\"b\"} 2'") == 'x 1\ny{a="b"} 2\n'


async def test_format_is_told_by_the_end():
    kind = ExecModule(script("printf 'x 1\\n# EOF\\n'"))
    assert (await kind.fetch(Ask(), 10)).content_type == OPENMETRICS_TYPE
    kind = ExecModule(script("echo x 1"))
    assert (await kind.fetch(Ask(), 10)).content_type == TEXT_TYPE
    kind = ExecModule(script(":"))
    assert (await kind.fetch(Ask(), 10)) == ((), TEXT_TYPE, None, ())


async def test_clean_environment(monkeypatch):
    """What is documented, and nothing of the proxy's."""
    monkeypatch.setenv("SECRET_OF_THE_PROXY", "1")
    kind = ExecModule(module(kind="exec", command=["env"], env={"THING": "a b"}))
    lines = b"".join((await kind.fetch(Ask(), 10)).payload).decode().splitlines()

    assert sorted(lines) == [
        "EXPORTER_PROXY_MODULE=m",
        "HOME=/",
        "LANG=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "THING=a b",
    ]


async def test_inherited_environment(monkeypatch):
    monkeypatch.setenv("OF_THE_PROXY", "1")
    text = 'echo "x{a=\\"$OF_THE_PROXY$MINE\\"} 1"'

    assert await output(text, inherit_env=True, env={"MINE": "2"}) == 'x{a="12"} 1\n'


async def test_own_session_directory_and_input(tmp_path):
    """A group of its own, nothing to read, and a place that doesn't keep a file system busy."""
    assert await output("pwd; cat; test $(ps -o pgid= -p $$) = $$ && echo group") == "/\ngroup\n"
    assert await output("pwd", cwd=str(tmp_path)) == f"{tmp_path}\n"


HOSTILE = [
    "; touch {mark}",
    "$(touch {mark})",
    "`touch {mark}`",
    "a\ntouch {mark}",
    "' ; \"",
    "$IFS",
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_no_shell_sees_parameters(tmp_path, value):
    """As an argument and in the environment; even where the operator's own shell is in between."""
    mark = tmp_path / "mark"
    value = value.replace("{mark}", str(mark))
    config = module(
        kind="exec",
        command=["sh", "-c", 'printf "%s|%s" "$1" "$V"', "sh", "{x}"],
        env={"V": "{x}"},
        params={"x": "(?s).*"},
    )
    answer = await ExecModule(config).fetch(Ask((("x", value),)), 10)

    assert b"".join(answer.payload).decode() == f"{value}|{value}"
    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo one >&2; echo 'two  ' >&2; echo >&2; exit 3", 'exit status 3: "two"'),
        ("echo x 1; exit 1", "exit status 1"),
        ("kill -SEGV $$", "ended by SIGSEGV"),
        ("kill -40 $$", "ended by signal 40"),
        ("printf '\\377\\033[0m' >&2; exit 2", 'exit status 2: "\ufffd\\x1b[0m"'),
    ],
)
async def test_exit_status(text, told):
    assert await failure(text) == ("exit_status", told)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"command": ["/nowhere/p"]}, 'can\'t start "/nowhere/p": No such file or directory'),
        ({"command": ["/etc/passwd"]}, 'can\'t start "/etc/passwd": Permission denied'),
        (
            {"command": ["true"], "cwd": "/nowhere"},
            'can\'t start "/nowhere": No such file or directory',
        ),
    ],
)
async def test_not_started(keys, told):
    with pytest.raises(ModuleError) as caught:
        await ExecModule(module(kind="exec", **keys)).fetch(Ask(), 10)

    assert (caught.value.reason, str(caught.value)) == ("not_started", told)


async def test_hanging_group_is_ended(tmp_path):
    """Also one that doesn't listen to SIGTERM, with all that it started."""
    pids = tmp_path / "pids"
    text = f"trap '' TERM; sleep 1000 & echo $$ $! > {pids}; wait; sleep 1000"
    begun = time.monotonic()

    assert await failure(text, 2) == ("timeout", "it has not ended within 2 s")

    assert time.monotonic() - begun < DEADLINE_SECONDS
    await gone(pids)


async def test_polite_end(tmp_path):
    """Who listens to SIGTERM may clean up."""
    mark = tmp_path / "mark"
    text = f"trap 'echo > {mark}; exit' TERM; while :; do sleep 0.01; done"
    await failure(text, 2)

    assert mark.exists()


async def test_endless_output():
    assert await failure("exec yes", max_body_size=100_000) == (
        "body_too_large",
        "the output is larger than 100000 bytes (max_body_size)",
    )


async def test_endless_errors():
    reason, told = await failure("exec yes >&2")

    assert (reason, told) == ("body_too_large", "more than 1048576 bytes on its standard error")


async def test_output_of_the_limit_is_taken():
    assert (
        len(await output("head -c 100000 /dev/zero | tr '\\0' '#'", max_body_size=100_000)) == 10**5
    )


async def test_child_that_keeps_the_output(tmp_path):
    """It may write more: what there is may be half of it. It ends, too."""
    pids = tmp_path / "pids"
    reason, told = await failure(f"echo x 1; sleep 1000 & echo $! > {pids}")

    assert reason == "output_open"
    assert told == "it has ended, but another program that it started keeps its output open"
    await gone(pids)


async def test_child_that_keeps_only_the_errors(tmp_path):
    """Then the output is complete; the child ends with its group all the same."""
    pids = tmp_path / "pids"

    assert await output(f"echo x 1; sleep 1000 >/dev/null & echo $! > {pids}") == "x 1\n"
    await gone(pids)


@pytest.mark.parametrize(
    ("text", "reason"), [("printf 'a\\0'", "nul_byte"), ("printf '\\377'", "invalid_utf8")]
)
async def test_no_text(text, reason):
    assert (await failure(text))[0] == reason


async def test_runs_are_shared(tmp_path):
    """Who asks for the same while it runs gets the same; who asks later gets another."""
    count = tmp_path / "count"
    kind = ExecModule(script(f"echo >> {count}; sleep 0.3; echo x 1"))
    answers = await asyncio.gather(*(kind.fetch(Ask(), DEADLINE_SECONDS) for _ in range(20)))

    assert {answer.payload for answer in answers} == {(b"x 1\n",)}
    assert count.read_text() == "\n"
    await kind.fetch(Ask(), DEADLINE_SECONDS)
    assert count.read_text() == "\n\n"


async def test_one_at_a_time(tmp_path):
    """With other parameters it waits; who can't wait for as long is told why."""
    lock = tmp_path / "lock"
    config = script(
        f"mkdir {lock} || exit 9; {held(tmp_path)}; rmdir {lock}; echo x 1 '#' $V",
        env={"V": "{v}"},
        params={"v": "[0-9]+"},
    )
    kind = ExecModule(config)

    def ask(value: int, seconds: float = DEADLINE_SECONDS):
        return asyncio.ensure_future(kind.fetch(Ask((("v", str(value)),)), seconds))

    asked = [ask(number) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ModuleError) as caught:
        await ask(99, 0.05)
    assert (caught.value.reason, str(caught.value)) == (
        "busy",
        "others of it ran for 0.05 s (max_concurrent)",
    )
    release(tmp_path)
    assert [(await each).payload for each in asked] == [
        (f"x 1 # {number}\n".encode(),) for number in range(3)
    ]


async def test_several_at_a_time(tmp_path):
    """As many as ``max_concurrent`` says: these two wait for one another."""
    both = f"[ -e {tmp_path}/1 ] && [ -e {tmp_path}/2 ]"
    text = f"touch {tmp_path}/$V; until {both}; do sleep 0.01; done"
    kind = ExecModule(script(text, env={"V": "{v}"}, params={"v": "."}, max_concurrent=2))

    await asyncio.gather(*(kind.fetch(Ask((("v", v),)), DEADLINE_SECONDS) for v in "12"))


async def test_impatient_asker_ends_no_other(tmp_path):
    """A run goes on for those who wait longer."""
    kind = ExecModule(script(f"{held(tmp_path)}; echo x 1"))
    patient = asyncio.ensure_future(kind.fetch(Ask(), DEADLINE_SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(ModuleError, match=r"not ended within 0\.05 s"):
        await kind.fetch(Ask(), 0.05)
    release(tmp_path)

    assert (await patient).payload == (b"x 1\n",)


async def test_run_has_a_time_of_its_own(tmp_path):
    """However many ask one after another: a run that hangs isn't kept alive by them."""
    pids = tmp_path / "pids"
    kind = ExecModule(script(f"echo $$ >> {pids}; exec sleep 1000", timeout=2))
    first = asyncio.ensure_future(kind.fetch(Ask(), DEADLINE_SECONDS))
    await eventually(lambda: pids.exists() and pids.read_text(), "the program")
    second = asyncio.ensure_future(kind.fetch(Ask(), DEADLINE_SECONDS))
    for each in (first, second):
        with pytest.raises(ModuleError, match="not ended within 2 s"):
            await each
    assert len(pids.read_text().split()) == 1
    await gone(pids)


async def test_stop_ends_what_runs(tmp_path):
    """At once, where there is no grace."""
    pids = tmp_path / "pids"
    kind = ExecModule(script(f"trap '' TERM; echo $$ > {pids}; while :; do sleep 0.01; done"))
    asked = asyncio.ensure_future(kind.fetch(Ask(), DEADLINE_SECONDS))
    await eventually(lambda: pids.exists() and pids.read_text(), "the program")
    begun = time.monotonic()
    await kind.close(0)
    with contextlib.suppress(asyncio.CancelledError):
        await asked
    await gone(pids)
    assert time.monotonic() - begun < DEADLINE_SECONDS


async def test_nothing_is_left_behind(tmp_path):
    """No zombies, no descriptors; also of a program that was given up while it was started."""
    await output("echo x 1")
    before, others = descriptors(), children()
    for _ in range(5):
        await failure("exit 1")
        await failure("sleep 1000", 0.05)
    kind = ExecModule(script("sleep 1000"))
    for _ in range(5):
        asked = asyncio.ensure_future(kind.fetch(Ask(), DEADLINE_SECONDS))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    await kind.close(DEADLINE_SECONDS)
    await eventually(lambda: children() <= others and descriptors() <= before, "an empty house")


async def test_no_descriptors_left(tmp_path, monkeypatch):
    """A program that can't be watched is ended before anything comes of it."""
    before, others = descriptors(), children()

    def full(_pid: int) -> int:
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr(os, "pidfd_open", full)
    reason, told = await failure(f"sleep 0.5; touch {tmp_path}/mark")
    assert (reason, told) == ("not_started", 'can\'t start "sh": Too many open files')
    await eventually(lambda: children() <= others and descriptors() <= before, "an empty house")
    assert not list(tmp_path.iterdir())


async def test_given_up_while_it_is_started(tmp_path, monkeypatch):
    """It is ended as soon as there is something to end."""
    release, spawn, spawned = threading.Event(), process._spawn, []

    def slow(program: process.Program) -> object:
        release.wait(DEADLINE_SECONDS)
        spawned.append(spawn(program))
        return spawned[0]

    monkeypatch.setattr(process, "_spawn", slow)
    assert (await failure("exec sleep 1000", 0.05))[0] == "timeout"
    release.set()
    await eventually(lambda: spawned and spawned[0].returncode == -9, "the program's end")


@pytest.mark.parametrize("turns", range(8))
async def test_given_up_when_it_has_just_been_started(turns, monkeypatch):
    """At whatever moment: nothing is closed twice, nothing is left behind."""
    before, others = descriptors(), children()
    spawned, spawn = asyncio.Event(), process._spawn
    loop = asyncio.get_running_loop()

    def telling(program: process.Program) -> object:
        made = spawn(program)
        loop.call_soon_threadsafe(spawned.set)
        return made

    monkeypatch.setattr(process, "_spawn", telling)
    kind = ExecModule(script("exec sleep 1000"))
    asked = asyncio.ensure_future(kind.fetch(Ask(), DEADLINE_SECONDS))
    await spawned.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    await kind.close(0)
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert children() <= others
    assert descriptors() <= before


def children() -> set[int]:
    """Return our own child processes; other tests may have some, too."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[1] == str(os.getpid()):
                found.add(int(entry.parent.name))
    return found


def test_grace_is_short():
    """A scrape that timed out must not hold up the next one for long."""
    assert process.GRACE_SECONDS <= 1
