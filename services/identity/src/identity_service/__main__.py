"""python -m identity_service {serve|work|all|migrate|openapi|replay}."""

from identity_service.app import build
from identity_service.settings import Settings
from servicekit.command import main

if __name__ == "__main__":
    main(Settings, build)
