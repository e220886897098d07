"""Why a run goes on or does not: pure rules that turn facts into words, and the answer."""
