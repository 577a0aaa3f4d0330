"""Buckets, tables, the encryption key and the audit trail."""
