"""The contract of a store, noun by noun; ``protocol`` has the rules for all and joins them."""
