"""A small service, to test the chassis with: notes about customers."""
