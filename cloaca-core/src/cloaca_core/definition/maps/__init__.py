"""Maps as they are declared: their options."""
