"""What cloaca does beyond running a graph, a folder for each. The kernel knows none of them."""
