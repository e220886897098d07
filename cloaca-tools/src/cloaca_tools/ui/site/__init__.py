"""The calls of a client by which the page looks and acts, and what it keeps between requests."""
