"""Contract of how runs are inserted, claimed, recorded and found."""
