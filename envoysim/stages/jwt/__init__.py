"""JSON Web Tokens as Envoy reads and verifies them (``source/common/jwt``)."""
