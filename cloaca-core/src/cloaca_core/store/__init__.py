"""Where the state is kept: the contract, its records, and the SQL implementation."""
