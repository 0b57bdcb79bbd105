"""What is large is kept from the garbage collector."""

import gc

from exporter_proxy import garbage
from exporter_proxy.garbage import MANY, aged, note_made


def is_young(item: object) -> bool:
    return any(item is each for number in (0, 1) for each in gc.get_objects(number))


def test_what_is_aged_is_not_young() -> None:
    made = aged(lambda: [[] for _ in range(MANY)])

    assert gc.is_tracked(made)
    assert not is_young(made)


def test_garbage_does_not_grow_old_with_it() -> None:
    class Circle:
        pass

    gc.collect(1)
    circle = Circle()
    circle.itself = circle  # type: ignore[attr-defined]
    number = id(circle)
    del circle

    aged(list)

    assert not any(id(each) == number and isinstance(each, Circle) for each in gc.get_objects())


def test_the_collector_comes_before_new_objects_have_too_many_references() -> None:
    garbage._made = 0
    made = tuple([b"%d" % number for number in range(10)])
    assert gc.is_tracked(made)

    note_made(3 * MANY - 1)
    assert gc.is_tracked(made)
    note_made(1)
    # It was looked at: of bytes alone, it is looked at no more.
    assert not gc.is_tracked(made)
