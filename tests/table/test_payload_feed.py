"""The feed of payloads: the latest of each app, held until it is taken."""

from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.table.payload_feed import PayloadFeed

ALL = (10**9, 10**9)


def test_holds_the_latest_payload_of_each_app():
    feed = PayloadFeed()
    feed.hold("a", (b"one",))
    feed.hold("b", (b"x", b"yz"))
    feed.hold("a", (b"second",))
    assert (len(feed), list(feed), feed.bytes) == (2, ["a", "b"], 9)
    assert feed.take(*ALL) == {"a": (b"second",), "b": (b"x", b"yz")}
    assert (len(feed), feed.bytes) == (0, 0)


def test_a_note_keeps_the_payload_that_is_held():
    """Without one it says that nothing came."""
    feed = PayloadFeed()
    feed.hold("a", (b"one",))
    feed.note("a")
    feed.note("b")
    assert feed.take(*ALL) == {"a": (b"one",), "b": None}


def test_a_batch_is_bounded_in_apps_and_bytes():
    """But one app is always taken, however large its payload is."""
    feed = PayloadFeed()
    for number in range(5):
        feed.hold(f"a{number}", (b"x" * 10,))
    assert list(feed.take(2, 1000)) == ["a0", "a1"]
    assert list(feed.take(10, 25)) == ["a2", "a3"]
    assert list(feed.take(10, 1)) == ["a4"]
    assert feed.take(10, 1) == {}


def test_what_is_given_back_does_not_replace_what_came_meanwhile():
    feed = PayloadFeed()
    for app in "abcd":
        feed.hold(app, (b"old",))
    feed.note("e")
    taken = feed.take(*ALL)
    feed.hold("b", (b"newer",))
    feed.note("c")
    feed.hold("d", ())
    feed.give_back(taken)
    assert feed.bytes == len(b"oldnewerold")
    assert feed.take(*ALL) == {
        "a": (b"old",),
        "b": (b"newer",),
        "c": (b"old",),
        "d": (),
        "e": None,
    }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.sampled_from("abc"), st.integers(0, 30)),
        st.tuples(st.just("note"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("take"), st.just(""), st.integers(1, 60)),
        st.tuples(st.just("fail"), st.just(""), st.integers(1, 60)),
    ),
    max_size=40,
)


@given(STEPS)
def test_bytes_are_those_of_what_is_held(steps: list[tuple[str, str, int]]):
    """Whatever happens, and nothing that was held last is ever lost."""
    feed = PayloadFeed()
    last: dict[str, tuple[bytes, ...]] = {}
    written: dict[str, tuple[bytes, ...]] = {}
    for what, app, size in steps:
        if what == "hold":
            last[app] = (b"x" * size,)
            feed.hold(app, last[app])
        elif what == "note":
            feed.note(app)
        else:
            taken = feed.take(2, size)
            if what == "fail":
                feed.give_back(taken)
            else:
                written |= {each: payload for each, payload in taken.items() if payload is not None}
    rest = feed.bytes
    taken = feed.take(*ALL)
    assert rest == sum(len(payload[0]) for payload in taken.values() if payload)
    written |= {each: payload for each, payload in taken.items() if payload is not None}
    assert written == last
