"""Polling jobs until they are final; knows no sensor, operator or trigger."""
