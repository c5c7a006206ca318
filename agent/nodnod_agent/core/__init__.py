"""What decides: no asyncio, sockets, threads, clock or randomness of its own."""
