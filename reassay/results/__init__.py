"""Results of re-tests as pages and figures, from the ledger alone."""
