#!/bin/sh
# Makes the Python environment of the contract mocks once and prints its interpreter's path.
# Usage: contract-mock.sh <contract folder> <folder for the environment>
set -eu

contract=$1
venv=$2
stamp=$venv/requirements.installed

# Tests run side by side; the first one installs, the others wait.
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9

if ! cmp -s "$contract/requirements.txt" "$stamp"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$contract/requirements.txt" >&2
    cp "$contract/requirements.txt" "$stamp"
fi
printf '%s\n' "$venv/bin/python"
