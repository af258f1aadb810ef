"""What the platform is told to be: the YAML files in deploy/demo/config, as `kizuna apply -f` takes them.

They are brought to the services by the launcher's own `apply`, hence through the public APIs; segments and the journey
are published by the story itself, with GraphQL, when their time has come. A chapter may have a folder of its own.
"""

import asyncio
import time
from pathlib import Path

import httpx

from kizuna_demo.errors import StoryError
from kizuna_demo.patience import LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS
from kizuna_local.documents import Applier, Document, read_documents
from kizuna_local.errors import LauncherError

CONFIGURATION = Path(__file__).parents[2] / "config"
WHAT_WE_KNOW = "what-we-know"
"""The folder of the chapter "What do we know, right now?"."""


def documents(*kinds: str, chapter: str = "") -> list[Document]:
    """The documents of these kinds, in the files' order; of a chapter's folder, or of none."""
    files = sorted((CONFIGURATION / chapter).glob("*.yaml"))
    found = [document for file in files for document in read_documents(file)]
    return [document for document in found if document.kind in kinds]


async def apply_documents(credentials_path: Path, *kinds: str, chapter: str = "") -> None:
    """Bring the documents of these kinds to the services; new write keys land in credentials.json.

    What is there already stays as it is. Raises StoryError with the place of a mistake.
    """
    await asyncio.to_thread(_apply, credentials_path, documents(*kinds, chapter=chapter))


def _apply(credentials_path: Path, wanted: list[Document]) -> None:
    began = time.monotonic()
    while True:
        try:
            with httpx.Client(timeout=30) as client:
                for _ in Applier(client, credentials_path).apply(wanted):
                    pass
            return
        except LauncherError as error:
            out_of_reach = isinstance(error.__cause__, httpx.HTTPError)  # a service that is being restarted
            if not out_of_reach or time.monotonic() - began > PATIENCE_SECONDS:
                raise StoryError(str(error)) from error
            time.sleep(LONGEST_PAUSE_SECONDS)
