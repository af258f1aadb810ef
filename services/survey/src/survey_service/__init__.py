"""Survey: what customers tell us, and what we promise them."""
