"""Acts of visitors: forms of the page that change something."""
