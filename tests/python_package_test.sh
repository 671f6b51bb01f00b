#!/usr/bin/env bash
# Runs the tests of the Python package with the package in the build folder:
#   tests/python_package_test.sh BUILD_FOLDER PYTHON
# Exits with status 77 if the build has no Python package (EMEND_PYTHON), or if pytest is not installed.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
python=${2:-}
if [[ ! -d $build/python/emend ]]; then
  echo "skipped: the build has no Python package (cmake -DEMEND_PYTHON=ON)"
  exit 77
fi
if ! "$python" -c "import pytest" 2>/dev/null; then
  echo "skipped: pytest is not installed ($python -m pip install pytest)"
  exit 77
fi
[[ -x $build/emend ]] && export EMEND_PROGRAM=$build/emend
cd "$source"
PYTHONPATH=$build/python exec "$python" -m pytest -q -p no:cacheprovider python/tests
