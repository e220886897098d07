"""The kernel and all features, put together to one engine and one store."""
