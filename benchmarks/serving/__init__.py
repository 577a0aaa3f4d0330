"""How long an answer takes and what it costs, in the container and in the functions around it."""
