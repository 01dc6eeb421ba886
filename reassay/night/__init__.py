"""The night: six steps in order, each recorded, resumable and idempotent."""
