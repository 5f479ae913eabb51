"""What happens upstream, part by part, beside the real Envoy: ``python -m tests.differential.upstream``."""
