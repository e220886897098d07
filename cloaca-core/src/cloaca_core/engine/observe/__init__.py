"""OBSERVE: callers that wait for a run, recent results, work without a runner."""
