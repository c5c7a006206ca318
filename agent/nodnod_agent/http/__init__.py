"""Plain HTTP: pages, JSON, health and Prometheus metrics."""
