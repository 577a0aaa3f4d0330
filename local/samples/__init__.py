"""Synthetic chest radiographs and archives of them."""
