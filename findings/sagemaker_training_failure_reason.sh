#!/usr/bin/env bash
# sagemaker-training 5.1.1 keeps no reason of a script that fails by an exception class of its own, by argparse or by
# sys.exit with a sentence: the training job's FailureReason says ErrorMessage "".
#
# The toolkit runs the script, watches its standard error, and keeps what is written from the first line on that contains
# the name of a built-in exception (`process.watch`, `_PYTHON_ERRORS_`). A traceback that ends in `QualityFailed: too few
# images` has none. A script that wants to be understood writes `/opt/ml/output/failure` itself: the toolkit leaves that
# file alone where it exists (`files.write_failure_file`). Warnings are no errors; their names are not in the list.
#
# Seen 2026-11-28 with sagemaker-training 5.1.1, boto3 1.44.8 and six 1.17.0 on Python 3.11:
#   built-in exception: kept
#   exception class of its own: nothing kept
#   argparse: nothing kept
#   sys.exit with a sentence: nothing kept
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install boto3==1.44.8 six==1.17.0
# Its source alone: what it compiles is for clusters, and would want a C compiler.
"${pip[@]}" download --no-deps --no-binary :all: --dest "$folder" sagemaker-training==5.1.1
tar --extract --gzip --directory "$folder" --file "$folder"/sagemaker_training-5.1.1.tar.gz
export PYTHONPATH="$folder/sagemaker_training-5.1.1/src" SAGEMAKER_BASE_DIR="$folder/ml" AWS_DEFAULT_REGION=us-east-1
mkdir -p "$folder/ml/code" "$folder/ml/input/config"
echo '{}' > "$folder/ml/input/config/hyperparameters.json"
echo '{}' > "$folder/ml/input/config/inputdataconfig.json"
echo '{"current_host": "algo-1", "hosts": ["algo-1"]}' > "$folder/ml/input/config/resourceconfig.json"
"$folder/venv/bin/python" - > "$folder/all" 2> "$folder/log" <<'PYTHON'
import pathlib

from sagemaker_training import environment, errors, process

scripts = {
    "built-in exception": "raise ValueError('too few images')",
    "exception class of its own": "class QualityFailed(Exception): pass\nraise QualityFailed('too few images')",
    "argparse": "import argparse; argparse.ArgumentParser().parse_args(['--unknown'])",
    "sys.exit with a sentence": "import sys; sys.exit('too few images')",
}
for title, script in scripts.items():
    pathlib.Path(environment.code_dir, "train.py").write_text(script)
    try:
        process.ProcessRunner("train.py", [], {}, 1).run(capture_error=True)
    except errors.ExecuteUserScriptError as error:
        print(f"seen: {title}:", "nothing kept" if 'ErrorMessage ""' in str(error) else "kept")
PYTHON
# The script's own output is on standard output too.
sed -n 's/^seen: //p' "$folder/all" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
