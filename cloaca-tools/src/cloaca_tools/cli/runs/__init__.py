"""Commands about runs: run one, look at them, steer them."""
