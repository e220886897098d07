"""JSON values: checked, encoded, compared, redacted."""
