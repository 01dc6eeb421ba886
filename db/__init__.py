"""The database: tables, engine, migrations. Knows nothing of the other rooms."""
