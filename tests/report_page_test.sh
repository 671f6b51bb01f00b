#!/usr/bin/env bash
# Makes report pages with the bundled model and tests their controls in Chromium:
#   tests/report_page_test.sh BUILD_FOLDER
# Exits with status 77 if Chromium is not installed.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
emend=$(cd "$1" && pwd)/emend
if ! browser=$(command -v chromium); then
  echo "skipped: Chromium is not installed (apt-get install chromium)"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# A page with curves and a sweep, and a page with two tabs, published rows, and texts that look like HTML.
evil='</script><script>parent.script_of_the_data_ran = 1</script><img src=x onerror=\"parent.script_of_the_data_ran = 1\">'
cat >rows.json <<EOF
[{"src": "What is $evil?", "rephrase": "Which?", "pred": "a", "alt": "$evil", "image": "cat.jpg",
  "image_rephrase": "cat.jpg", "loc": "nq question: who", "loc_ans": "he", "m_loc": "rocket.jpg",
  "m_loc_q": "What?", "m_loc_a": "rocket"},
 {"src": "Who?", "rephrase": "Who is it?", "pred": "a", "alt": "a long answer of several words",
  "image": "coffee.jpg", "image_rephrase": "coffee.jpg", "loc": "nq question: who", "loc_ans": "he",
  "m_loc": "rocket.jpg", "m_loc_q": "What?", "m_loc_a": "rocket"}]
EOF
bench=("$emend" bench --set steps=3 --set lr=0.01 --editors ft:language,ft:connector,lora)
"${bench[@]}" --limit 3 --mode sequential --judge-at 1 2 --sweep lora.rank=1,2 -o curves >log 2>&1 || { cat log; exit 1; }
"${bench[@]}" --suite e-vqa --data rows.json --images "$source/src/evaluation/probes/data/photos" \
  -o published >log 2>&1 || { cat log; exit 1; }
"$emend" report curves published --images "$source/src/evaluation/probes/data/photos" -o both >log 2>&1 ||
  { cat log; exit 1; }

# The pages may read each other only with --allow-file-access-from-files.
timeout 300 "$browser" --headless --no-sandbox --window-size=1400,1000 --disable-gpu --user-data-dir="$folder/profile" \
  --allow-file-access-from-files --enable-logging=stderr --virtual-time-budget=100000000 --dump-dom \
  "file://$source/tests/report_page.html#file://$folder/curves/report.html|file://$folder/both/report.html" \
  >page 2>log || { cat log; exit 1; }
if ! grep -o "all [0-9]* checks passed" page || grep CONSOLE log | grep -v "ResizeObserver loop"; then
  sed 's/<[^>]*>//g' page
  exit 1
fi
