"""A mailbox that takes every mail and shows it: the SMTP relay of a platform on one machine."""
