"""Why a run goes on or does not: what is recorded and known of it."""
