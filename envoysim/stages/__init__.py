"""Envoy's stages, one module each, in the order a request meets them."""
