"""Certificates that the openssl program makes for a test."""

import subprocess
from collections.abc import Callable
from pathlib import Path


class Authority:
    """An authority of a test's own.

    Attributes:
        cert: The file with its certificate.
    """

    def __init__(self, directory: Path, openssl: str, name: str = "test authority") -> None:
        self._directory = directory
        self._openssl = openssl
        self._name = name.replace(" ", "-")
        self.cert = directory / f"{self._name}.crt"
        self._key = directory / f"{self._name}.key"
        self._run(
            "req", "-x509", *self._new_key(self._key), "-out", self.cert, "-days", "2",
            "-subj", f"/CN={name}",
        )  # fmt: skip

    def issue(
        self, name: str, *, sans: str = "DNS:localhost,IP:127.0.0.1", into: str = ""
    ) -> tuple[Path, Path]:
        """Make a certificate; return its file and that of its key.

        Args:
            name: Its subject's common name.
            sans: Its alternative names, as openssl writes them.
            into: Name of the files; else ``name`` is.
        """
        stem = into or name
        request = self._directory / f"{stem}.csr"
        cert, key = self._directory / f"{stem}.crt", self._directory / f"{stem}.key"
        self._run(
            "req", *self._new_key(key), "-out", request, "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={sans}",
        )  # fmt: skip
        made = self._directory / f"{stem}.new"
        self._run(
            "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key,
            "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", made,
        )  # fmt: skip
        made.rename(cert)
        return cert, key

    @staticmethod
    def _new_key(path: Path) -> tuple[object, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)

    def _run(self, *arguments: object) -> None:
        subprocess.run(
            [self._openssl, *map(str, arguments)], check=True, capture_output=True, timeout=20
        )


MakeAuthority = Callable[..., Authority]
