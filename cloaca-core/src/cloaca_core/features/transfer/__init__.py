"""Whole databases: what is copied, examined, and taken over from earlier versions."""
