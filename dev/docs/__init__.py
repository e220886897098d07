"""Pages for readers: the site, and the version in commands of handwritten pages."""
