"""Takes the metrics of many applications and shows all of them to Prometheus on one port."""

__version__ = "0.1.0"
