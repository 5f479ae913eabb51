"""Rules one by one, at the edges that chance seldom meets: ``python -m tests.differential.rules [PART]``."""
