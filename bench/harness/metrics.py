"""What an agent counts itself, from its metrics page."""

import asyncio
import re

from nodnod_client.address import Address


async def broadcasts(server: Address) -> int | None:
    """The queries that the agent has sent to its peers so far; ``None`` where there is no such page."""
    try:
        reader, writer = await asyncio.open_connection(*server)
    except OSError:
        return None
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    page = await reader.read()
    writer.close()
    found = re.search(rb"^nodnod_broadcasts_total (\S+)", page, re.MULTILINE)
    return int(float(found[1])) if found else None
