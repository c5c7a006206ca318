"""The decisions of an agent: no asyncio, sockets, threads, clock or randomness of its own."""
