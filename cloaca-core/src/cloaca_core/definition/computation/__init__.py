"""What a task knows of the computation graph that it invokes."""
