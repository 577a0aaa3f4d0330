"""The stacks that AWS CDK deploys: nouns that stacks compose, settings that make environments differ."""

import os
from collections.abc import MutableMapping


def configure_node(variables: MutableMapping[str, str]) -> None:
    """Set what jsii's process of Node reads when it starts: call it before the first `import aws_cdk`.

    What is set already stays, and wins.
    """
    # An eleven-line banner for Node 20, which works; `cxr doctor` says that AWS supports newer ones.
    variables.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
    # V8 has four threads beside the one that works, for collecting garbage and compiling (`node --help`); with one of
    # them a synthesis takes less processor time (docs/benchmarks/operation.md, Synthesis).
    given = variables.get("NODE_OPTIONS", "")
    if "--v8-pool-size" not in given.replace("_", "-"):  # Node takes either spelling
        variables["NODE_OPTIONS"] = f"{given} --v8-pool-size=1".strip()


configure_node(os.environ)
