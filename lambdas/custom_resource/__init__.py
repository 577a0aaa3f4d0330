"""Shared module of functions behind CloudFormation's custom resources."""
