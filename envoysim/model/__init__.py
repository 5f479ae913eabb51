"""The nouns: frozen values without behaviour, shared by every layer."""
