"""`python -m delivery_service {serve|work|all|migrate|openapi|replay}`."""

from delivery_service.app import build
from delivery_service.settings import Settings
from servicekit.command import main

if __name__ == "__main__":
    main(Settings, build)
