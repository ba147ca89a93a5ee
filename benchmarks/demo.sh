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

if command -v dot >/dev/null; then
    say pvmscan graph "$folder/malicious/computed.pkl" --output "$folder/computed.svg"
    "$pvmscan" graph "$folder/malicious/computed.pkl" --format svg --output "$folder/computed.svg"
    echo "drawn: $folder/computed.svg"
else
    printf '\nInstall Graphviz to have the graph drawn as svg or png.\n'
fi
