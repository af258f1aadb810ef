"""Identity's use cases, one function each. The transaction is the caller's: nobody commits in here."""
