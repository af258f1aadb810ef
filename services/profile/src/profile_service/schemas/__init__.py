"""Request and response models, a module for each noun."""
