"""App that `cdk` runs: the stacks of the environment named by `-c env=...`, from the settings in cdk.json."""

import sys

from infra.application import add_stacks
from infra.settings.environment import Settings
from infra.settings.section import SettingsError

# After `infra`, which configures jsii before it starts.
from aws_cdk import App  # isort: skip


def main() -> int:
    """Synthesise; 1 and one line on stderr when a setting is wrong."""
    app = App()
    try:
        settings = Settings.load({key: app.node.try_get_context(key) for key in ("env", "shared", "environments")})
        add_stacks(app, settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
