"""PLAN, CLAIM, EXECUTE, RECORD, RECOVER: what happens between submit and result. Private."""
