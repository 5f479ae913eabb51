"""Pure predicates, named after their protos: compiled once, asked often, explaining what they refuse."""
