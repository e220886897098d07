"""Contract of limits: who gets places, and what people see and change."""
