"""Prometheus, as the end-to-end tests have it."""

from tests.e2e.conftest import prometheus

__all__ = ["prometheus"]
