"""Airflow provider for MiniMax / Hailuo AI through the useapi.net API."""

__version__ = "0.1.0"
