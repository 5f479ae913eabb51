"""Tests of ``envoysim fetch``."""
