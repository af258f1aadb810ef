"""`python -m kizuna_demo --credentials .kizuna/credentials.json`: tell the story to a running platform."""

import argparse
import sys
from pathlib import Path

from kizuna_demo.errors import StoryError
from kizuna_demo.story import run


def main() -> int:
    """Returns the exit code: 0 told, 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m kizuna_demo", description="Tell the story to a running platform.")
    parser.add_argument(
        "--credentials",
        type=Path,
        default=Path(".kizuna/credentials.json"),
        help="what `kizuna up` wrote (default: %(default)s)",
    )
    try:
        run(parser.parse_args().credentials)
    except StoryError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Telling it again goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
