"""Plans, runs and reports tests on the built wheels; tests the tests with mutants."""
