"""Certificates for tests, as files: an authority, and the certificates that it issues."""

from pathlib import Path
from typing import Any

import trustme


class Authority:
    """A certificate authority; ``ca`` is the file of its own certificate."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._authority = trustme.CA()
        self.ca = str(directory / f"{name}.pem")
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, name: str, *hosts: str, **terms: Any) -> tuple[str, str]:
        """Issue a certificate for these hosts: its file and that of its key, which are replaced.

        ``terms`` are those of trustme, ``not_before`` and ``not_after``.
        """
        issued = self._authority.issue_cert(*(hosts or ("127.0.0.1", "localhost")), **terms)
        cert, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.touch(0o600)
        issued.private_key_pem.write_to_path(str(key))
        return str(cert), str(key)

    def settings(self, name: str, *hosts: str, **more: Any) -> dict[str, Any]:
        """The object ``tls`` of the configuration of an agent."""
        cert, key = self.issue(name, *hosts)
        return {"cert": cert, "key": key, "ca": self.ca, **more}
