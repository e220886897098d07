"""What the kernel knows of the items of maps: how they are named, and which are open."""
