"""Pattern of an environment's name; without pydantic, which commands that only check a name need not wait for."""

# The bucket's and the keys' policies know roles of later stacks by the start of their names
# (`infra/base/role_names.py`). CloudFormation shortens a generated name to 64 characters: 25 are the stack's part and
# 25 the logical id's, each getting what the other leaves (seen in names of an account: KensioSoftware/yulin#1113, read
# 2026-11-29). `cxr-<12 letters>-training` is 25.
LONGEST_ENVIRONMENT = 12
ENVIRONMENT = f"[a-z][a-z0-9]{{1,{LONGEST_ENVIRONMENT - 1}}}"
