"""An uploaded archive becomes one pipeline execution, or a report that says why it was refused."""
