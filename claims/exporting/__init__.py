"""The library in forms that other tools read; one module a form."""
