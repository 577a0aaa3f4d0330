"""The stacks that AWS CDK deploys: nouns that stacks compose, settings that make environments differ."""

import os

# jsii prints an eleven-line banner for Node 20, which this project supports. Its process reads this when it starts, so
# it is set before the first `import aws_cdk`.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
