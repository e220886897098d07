"""The handle that a body gets, and the steps that it calls through it."""
