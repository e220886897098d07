"""Tenants: databases that share nothing, in one server."""
