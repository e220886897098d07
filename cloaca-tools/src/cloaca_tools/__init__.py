"""The command line, the page, the tools of assistants, the doctor, and copies of databases."""
