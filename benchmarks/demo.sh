#!/usr/bin/env bash
# The main job on real input: make sample files, scan them, draw one call chain. Argument: folder of the commands.
set -euo pipefail
pvmscan="$1/pvmscan"
folder=demo
rm -rf "$folder"

say() { printf '\n$ %s\n' "$*"; }

say pvmscan demo "$folder"
"$pvmscan" demo "$folder"

say pvmscan "$folder/harmless"
"$pvmscan" "$folder/harmless"

say pvmscan "$folder/malicious/computed.pkl"
"$pvmscan" "$folder/malicious/computed.pkl" || test $? -eq 1

say pvmscan decompile "$folder/malicious/computed.pkl"
"$pvmscan" decompile "$folder/malicious/computed.pkl"

say pvmscan graph "$folder/malicious/computed.pkl" --format mermaid
"$pvmscan" graph "$folder/malicious/computed.pkl" --format mermaid

say pvmscan graph "$folder/malicious/computed.pkl" --output "$folder/computed.svg"
"$pvmscan" graph "$folder/malicious/computed.pkl" --output "$folder/computed.svg"

say pvmscan scan "$folder/malicious" --format html --output "$folder/report.html"
"$pvmscan" scan "$folder/malicious" --format html --output "$folder/report.html" || test $? -eq 1
echo "Open $folder/report.html in a browser."
