"""Tells what programs and bodies do to logs, metrics and traces. Knows no engine and no store."""
