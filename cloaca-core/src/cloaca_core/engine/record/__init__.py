"""RECORD: facts become durable, in batches."""
