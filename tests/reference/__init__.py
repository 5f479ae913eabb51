"""Plain, slow readings of Envoy's rules, written apart from the code they judge."""
