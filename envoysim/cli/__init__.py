"""The command line: ``main.py``, and a module for each command."""

import gc

gc.set_threshold(100_000, 20, 20)  # a command keeps nearly all it makes: looking for garbage often is in vain
