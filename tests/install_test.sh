#!/usr/bin/env bash
# Installs into a new folder, runs the installed program, and builds and runs examples/ against the installed
# library: tests/install_test.sh BUILD_FOLDER
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
expect() {  # expect TEXT FILE
  grep -qF -- "$1" "$2" || { echo "expected '$1' in:"; cat "$2"; exit 1; }
}

cmake --install "$1" --prefix "$folder/prefix" >/dev/null
cd "$folder"
prefix/bin/emend scenes export -o scenes --split eval --count 1 --seed 1 >/dev/null
picture=scenes/images/scenes_eval_000000.png
question="How many shapes are there?"
prefix/bin/emend ask --image "$picture" -p "$question" >answer
expect 1 answer

cmake -S "$source/examples" -B build -DCMAKE_PREFIX_PATH="$folder/prefix" >/dev/null
cmake --build build --parallel "$(nproc)"
model=prefix/share/emend/models/scenes-blip2
build/example_edit "$model" "$picture" "$question" 7 seven.patch >edit
expect "before: 1" edit
expect "after: 7" edit
expect "reverted: 1" edit
prefix/bin/emend ask --image "$picture" -p "$question" --patch seven.patch >answer
expect 7 answer
build/example_intervene "$model" "$picture" "$question" >intervene
expect "language.block.0:" intervene
expect "answer: 1" intervene
build/example_editor "$model" "$picture" "$question" 7 >editor
expect "loss before:" editor
echo "installed, linked and ran"
