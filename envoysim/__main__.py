"""``python -m envoysim``."""

from .cli.main import main

main()
