"""Sensors that wait for jobs of the service."""
