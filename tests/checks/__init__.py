"""Tests of the rules of `envoysim check`."""
