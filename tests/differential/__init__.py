"""Random configurations and requests through the real Envoy and the simulation: every difference is a finding."""
