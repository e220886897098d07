"""Puts the kernel and all features together to one engine and one store."""
