"""ORCHESTRATE: decide, launch, and go on when an attempt has ended."""
