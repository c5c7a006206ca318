"""What ``nodnod top`` shows: one cluster on a whole terminal."""
