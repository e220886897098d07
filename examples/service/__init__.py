"""A web service whose requests return at once; what they began is finished, come what may."""
