"""Pages for readers: the site, and the version that pages by hand say to install."""
