"""Where units of work run. A unit is one seed or one canary of one experiment."""
