"""A certificate for agents on loopback, made by the command openssl."""

import subprocess
from pathlib import Path

from nodnod_client.errors import ConnectError


def make_certificate(folder: Path) -> dict[str, str]:
    """The object ``tls`` of a configuration, with new files in ``folder``. Raises ConnectError."""
    cert, key = str(folder / "agent.pem"), str(folder / "agent.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=nodnod", "-keyout", key, "-out", cert]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    # Without it, Python refuses an authority from 3.13 on.
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConnectError(f"openssl made no certificate: {error}") from None
    return {"cert": cert, "key": key, "ca": cert}
