#!/usr/bin/env bash
# Tests the workbench of `emend serve` in Chromium, from a wrong answer to an exported patch:
#   tests/workbench_test.sh BUILD_FOLDER [SCREENSHOT_FOLDER]
# Exits with status 77 if Chromium or playwright-core is not installed (npm ci --prefix tests/workbench).
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
emend=$(cd "$1" && pwd)/emend
screenshots=${2:+$(mkdir -p "$2" && cd "$2" && pwd)}
if ! browser=$(command -v chromium) || ! command -v node >/dev/null || [[ ! -d $source/tests/workbench/node_modules ]]; then
  echo "skipped: Chromium, Node or playwright-core is not installed"
  echo "  apt-get install chromium nodejs npm && npm ci --prefix tests/workbench"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$emend" scenes export -o scenes --split eval --count 20 --seed 1 >log 2>&1 || { cat log; exit 1; }
for run in one two; do
  "$emend" bench --limit 2 --probes 1 --editors ft --set steps=3 -o runs/$run >log 2>&1 || { cat log; exit 1; }
done
EMEND=$emend BROWSER=$browser SCREENSHOTS=${screenshots:-} timeout 600 node "$source/tests/workbench/session.js"
