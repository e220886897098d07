"""ORCHESTRATE: decide, launch, and continue when an attempt has ended."""
