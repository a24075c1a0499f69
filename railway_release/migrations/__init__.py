"""Which migrations each schema has and needs, and the states that they lead through."""
