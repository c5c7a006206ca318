"""What has happened in the cluster: the log of it, how it spreads, and who writes what."""
