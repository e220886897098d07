"""Environments with packages in them: that of the tools, those of the tests, and the lock."""
