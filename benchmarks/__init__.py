"""How fast cloaca is, beside the least that its writes cost on the same disk in the same minute."""
