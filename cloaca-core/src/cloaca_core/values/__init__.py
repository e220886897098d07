"""Values that every other part may hold: JSON, names, instants, ids, arguments. Pure."""
