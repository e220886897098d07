"""Commands about workflows, and about what makes their runs."""
