"""python -m gateway {serve|schema}"""

import sys

from gateway.app import build
from gateway.schema import print_schema
from gateway.settings import Settings
from servicekit.command import main

if __name__ == "__main__":
    if sys.argv[1:] == ["schema"]:
        print_schema()
    else:
        main(Settings, build)
