"""The other nodes: the membership table, gossip, the roster and the links to peers."""
