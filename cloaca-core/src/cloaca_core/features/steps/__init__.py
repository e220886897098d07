"""Values that a body keeps while its run is there, so that it gets them again."""
