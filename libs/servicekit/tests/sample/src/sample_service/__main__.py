"""python -m sample_service"""

from sample_service.app import SampleSettings, build
from servicekit.command import main

main(SampleSettings, build)
