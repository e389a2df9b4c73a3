"""bin/chaos: breaks a whole house at random and counts on the chain that all was paid once."""
