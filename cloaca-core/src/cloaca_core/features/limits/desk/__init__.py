"""How a runner speaks with the database about places of limits."""
