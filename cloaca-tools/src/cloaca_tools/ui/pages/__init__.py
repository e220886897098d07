"""The pages: each reads what it shows, and gives it to its template."""
