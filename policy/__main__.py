"""Write what is generated from the templates: `make policy`."""

import json
import sys
import tempfile
from pathlib import Path

from policy import deployment, permissions, schemas
from policy.contexts import contexts, with_tokens_and_mail
from policy.synthesis import synthesised

REPOSITORY = Path(__file__).resolve().parent.parent
PERMISSIONS = REPOSITORY / "docs" / "permissions.md"
DEPLOYMENT = REPOSITORY / "docs" / "deployment-roles.json"


def main() -> int:
    """Synthesise every environment and write the files."""
    context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    with tempfile.TemporaryDirectory() as workspace:
        templates = {
            label: synthesised(variant, Path(workspace) / label) for label, variant in contexts(context).items()
        }
        further = synthesised(with_tokens_and_mail(context), Path(workspace) / "chosen")
    every = [template for parts in (*templates.values(), further) for template in parts.values()]
    for path, content in {
        PERMISSIONS: permissions.page(templates),
        DEPLOYMENT: deployment.page(every, schemas.handlers, schemas.exists),
    }.items():
        path.write_text(content, encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(REPOSITORY)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
