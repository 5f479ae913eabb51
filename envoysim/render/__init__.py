"""Words and JSON for people and programs; knows only the model."""
