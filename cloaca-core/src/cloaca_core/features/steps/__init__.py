"""Values that a body keeps in the database, so that it gets them again when it runs again."""
