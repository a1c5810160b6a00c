#!/bin/sh
# Make .venv, or bring it up to date with pyproject.toml and constraints.txt. Run by the Makefile from
# the root of the clone: sh scripts/venv.sh PYTHON STAMP
#
# The stamp is written last and holds the folder of the clone: an install that was interrupted, and a
# clone that was moved, are done again.
set -eu

python=$1
stamp=$2
venv=.venv
unfinished=$venv/.unfinished

fail() {
    echo "$1" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "$python not found: install Python 3.11 or newer, or name one with: make PYTHON=/path/to/python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$("$python" --version 2>&1) is too old: install Python 3.11 or newer, or name one with: make PYTHON=/path/to/python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module: install it (Debian and Ubuntu: apt install python3-venv) and run make again"

trap 'exit 130' INT

# Discard what an interrupted run, a move or a removed Python has left.
here=$(pwd -P)
if [ -e "$unfinished" ] || [ "$(cat "$stamp" 2>/dev/null || echo "$here")" != "$here" ] ||
    ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    rm -rf "$venv"
fi

echo "Installing Airflow and the provider into $venv: once, one or two minutes ..."
mkdir -p "$venv"
rm -f "$stamp"
: >"$unfinished"
if [ ! -e "$venv/bin/python" ]; then
    errors=$("$python" -m venv "$venv" 2>&1) || fail "$errors"
fi

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --no-compile --constraint constraints.txt "$@"
}
# The build backend comes first and is pinned too, instead of the newest one for each build. The pip of Python 3.11 and
# 3.12 does not know dependency groups.
pip hatchling pip
pip --no-build-isolation --editable '.[form,parquet,sandbox]' --group dev
# By all cores at once, where pip uses one. A few packages hold files that are no valid Python.
"$venv/bin/python" -m compileall -q -q -j 0 "$venv/lib" >/dev/null || true

echo "$here" >"$stamp"
rm -f "$unfinished"
