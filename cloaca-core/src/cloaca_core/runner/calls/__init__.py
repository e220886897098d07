"""One module per kind of operation, whose arguments are checked here, once."""
