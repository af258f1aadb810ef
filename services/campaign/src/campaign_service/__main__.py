"""python -m campaign_service {serve|work|all|migrate|openapi|replay}"""

from campaign_service.app import build
from campaign_service.settings import Settings
from servicekit.command import main

if __name__ == "__main__":
    main(Settings, build)
