"""How fast, how many at once and in which order an endpoint is asked, and whether it is well."""
