"""What several stacks need: stack, function, log group, event rule, role, assets."""
