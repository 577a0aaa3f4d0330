"""Constructs that several stacks share: function, log group, event rule, role, assets."""
