"""The certificate that a server shows, whether or not it is accepted."""

import asyncio
import ssl

from nodnod_agent.auth.certificate import Certificate, parse


async def shown_certificate(host: str, port: int, within: float) -> Certificate | None:
    """Look at it, over a connection that sends nothing; None if none is shown in so many seconds."""
    looks = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looks.check_hostname, looks.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(host, port, ssl=looks)
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.transport.abort()
        return parse(der)
    except (OSError, ValueError, IndexError, TypeError):  # TimeoutError is an OSError
        return None
