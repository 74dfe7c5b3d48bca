#!/usr/bin/env bash
# Do other people's clients of the service still work against the simulator? Each makes a video from a picture and one from references.
#
#   bash tests/clients/run.sh
#
# Not among the usual tests: it loads some 300 MB from PyPI and npm into a temporary folder. Needs what tests/run.sh has installed, and node 20 with npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d "${TMPDIR:-/tmp}/wan-clients-XXXXXX")
trap 'kill "${simulator:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
samples=$PWD/assets/samples
python=$PWD/.venv/bin/python

"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.110.2
npm install --prefix "$work" --silent --no-audit --no-fund ai@7.0.173 @ai-sdk/alibaba@2.0.58
cp tests/clients/with_ai.mjs "$work"

"$python" -m wan.simulator --dir "$work/simulator" --port 0 --pending 0.1 --running 0.1 --still >/dev/null &
simulator=$!
until [ -s "$work/simulator/server.json" ]; do sleep 0.05; done
root=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["base_url"].removesuffix("/api/v1"))' "$work/simulator/server.json")

export HOME=$work DASHSCOPE_API_KEY=sk-test1234 LITELLM_LOCAL_MODEL_COST_MAP=True NO_PROXY=127.0.0.1 # else litellm waits for a list of prices
status=0
"$python" tests/clients/with_dashscope.py "$root" "$samples" || status=1
"$work/venv/bin/python" tests/clients/with_litellm.py "$root" || status=1
(cd "$work" && node with_ai.mjs "$root") || status=1
exit $status
