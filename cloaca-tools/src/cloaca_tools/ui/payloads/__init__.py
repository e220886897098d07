"""What programs wrote, before a template gets it: masked, cut, as lines. Pure."""
