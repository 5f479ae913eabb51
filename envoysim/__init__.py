"""Simulate requests through the configuration an Envoy proxy is really running."""

__version__ = "0.1.0"
