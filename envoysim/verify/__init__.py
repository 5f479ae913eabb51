"""The judge: the same requests through a real Envoy, beside the simulation."""
