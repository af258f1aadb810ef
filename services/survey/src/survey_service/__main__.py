"""`python -m survey_service {serve|work|all|migrate|openapi|replay}`."""

from servicekit.command import main
from survey_service.app import build
from survey_service.settings import Settings

main(Settings, build)
