"""Virtual environments of the tools and of the tests, and the lock of their packages."""
