"""Write the document: `python -m openapi`."""

import sys
from pathlib import Path

from openapi.document import text

TARGET = Path(__file__).resolve().parent.parent / "lambdas" / "site" / "openapi.json"


def main() -> int:
    """Write the document where it is served from."""
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
