"""`python -m profile_service {serve|work|all|migrate|openapi|replay}`."""

from profile_service.app import build
from profile_service.settings import Settings
from servicekit.command import main

if __name__ == "__main__":
    main(Settings, build)
