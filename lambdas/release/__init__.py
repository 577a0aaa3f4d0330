"""Release: rolls an approved model package out to the endpoint, verifies that it serves, and notifies people."""
