"""A module that is a program: its standard output."""

import asyncio
import os
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from exporter_proxy.config import ModuleConfig
from exporter_proxy.errors import ModuleError
from exporter_proxy.modules import OPENMETRICS_TYPE, TEXT_TYPE, Answer, Ask
from exporter_proxy.sources.module.kind import Outcome
from exporter_proxy.sources.module.params import Params, fill_arguments, fill_environment
from exporter_proxy.sources.module.process import Program, run
from exporter_proxy.sources.module.shared import GaveUpError, SharedRuns
from exporter_proxy.table import Payload

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}
"""What a program finds that is told nothing else."""


class _Wanted(NamedTuple):
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


class ExecModule:
    """Runs a program; those who ask for the same at the same time share a run.

    Args:
        config: The module.
    """

    def __init__(self, config: ModuleConfig) -> None:
        self._config = config
        # A program takes nothing that is not declared.
        self._declared = config.params or {}
        self._params = Params(self._declared)
        self._places = asyncio.Semaphore(config.max_concurrent)
        self._begun: set[_Wanted] = set()
        self._runs: SharedRuns[Payload] = SharedRuns(self._run)

    async def fetch(self, ask: Ask, timeout: float) -> Answer:  # noqa: ASYNC109 - see SharedRuns
        """See :meth:`Kind.fetch`."""
        values = self._params.check(ask.params)
        config = self._config
        assert config.command is not None
        own = fill_environment(config.env, values, self._declared)
        # The proxy's own is the same for all, and no part of what tells runs apart.
        wanted = _Wanted(
            tuple(fill_arguments(config.command, values, self._declared)), tuple(own.items())
        )
        try:
            payload = await self._runs.join(wanted, timeout)
        except GaveUpError:
            if wanted not in self._begun:
                raise ModuleError(
                    f"others of it ran for {timeout:g} s (max_concurrent)", reason="busy"
                ) from None
            raise self._too_late(timeout) from None
        return Answer(payload, _type(payload))

    async def poll(self) -> Mapping[str, Outcome]:
        """See :meth:`Kind.poll`."""
        answer = await self.fetch(Ask(), self._config.timeout)
        return {self._config.app_name: Outcome(answer.payload)}

    async def close(self, grace_seconds: float) -> None:
        """See :meth:`Kind.close`."""
        await self._runs.close(grace_seconds)

    def _too_late(self, timeout: float) -> ModuleError:
        return ModuleError(f"it has not ended within {timeout:g} s", reason="timeout")

    async def _run(self, key: Hashable) -> Payload:
        assert isinstance(key, _Wanted)
        config = self._config
        base = dict(os.environ) if config.inherit_env else CLEAN_ENVIRONMENT
        program = Program(
            arguments=key.arguments,
            environment={**base, "EXPORTER_PROXY_MODULE": config.name, **dict(key.environment)},
            directory=config.cwd,
            max_size=config.max_body_size,
        )
        async with self._places:
            self._begun.add(key)
            try:
                async with asyncio.timeout(config.timeout):
                    return await run(program)
            except TimeoutError:
                raise self._too_late(config.timeout) from None
            finally:
                self._begun.discard(key)


def _type(payload: Payload) -> str:
    is_openmetrics = bool(payload) and payload[-1].rstrip().endswith(b"# EOF")
    return OPENMETRICS_TYPE if is_openmetrics else TEXT_TYPE
