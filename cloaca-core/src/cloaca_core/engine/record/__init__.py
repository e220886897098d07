"""RECORD: facts become durable, in groups."""
