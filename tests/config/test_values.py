"""Addresses and secrets."""

from exporter_proxy.config import Address, Secret


def test_address_is_written_as_it_is_read():
    """An IPv6 address stands in brackets."""
    assert str(Address("127.0.0.1", 6555)) == "127.0.0.1:6555"
    assert str(Address("::1", 6555)) == "[::1]:6555"


def test_secret_never_prints_itself():
    """Only reveal() gives it out."""
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    assert secret.reveal() == "hunter2"


def test_secrets_compare_by_their_text():
    """Two of the same text are the same; text itself is no secret."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
