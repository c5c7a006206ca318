"""This node's samples and history, and the newest stats of every node."""
