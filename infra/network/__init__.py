"""VPC without egress, and its endpoints."""
