#!/bin/sh
# Makes .venv from the hashed lock, or leaves it alone when it is what the lock says.
#
#   PYTHON=…   the Python to use (otherwise the first of python3.13, 3.12, 3.11, python3 that is fit)
#   EXTRA=…    cuda12 or cuda13 adds that lock; none takes it away again; empty keeps what is there
#
# The stamp .venv/reprise.lock is written last and holds all that the environment was made from, so
# an interrupted installation is never taken for a finished one.
set -eu
cd "$(dirname "$0")/.."

oldest=11
newest=13
stamp=.venv/reprise.lock
# Warnings of pip about itself help nobody here.
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

fail() {
    printf 'reprise: %s\n' "$@" >&2
    exit 1
}

# Prints "3.x"; fails when $1 is no Python that can be run.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

fits() {
    case "$1" in
        3.*) [ "${1#3.}" -ge "$oldest" ] && [ "${1#3.}" -le "$newest" ] ;;
        *) return 1 ;;
    esac
}

find_python() {
    seen=""
    no_venv=""
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        version=$(version_of "$candidate") || continue
        if ! fits "$version"; then
            seen="$seen $candidate ($version)"
        elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            no_venv="$no_venv $candidate ($version)"
        else
            printf '%s\n' "$candidate"
            return
        fi
    done
    if [ -n "$no_venv" ]; then
        fail "the modules venv and ensurepip are missing from$no_venv." \
            "On Debian and Ubuntu they are a package of their own: apt-get install python3-venv"
    fi
    if [ -n "$seen" ]; then
        fail "Python 3.$oldest to 3.$newest is needed; found only$seen." \
            "Install one of these, or name it: make book PYTHON=/path/to/python3.$newest"
    fi
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON cannot be run."
    fi
    fail "no Python was found. Install Python 3.$oldest to 3.$newest, or name it: make book PYTHON=/path/to/python3"
}

previous_extra() {
    if [ -f "$stamp" ]; then sed -n '1s/^# extra: //p' "$stamp"; fi
}

# What the environment is made from: compared with the stamp, and written to it at the end.
describe() {
    printf '# extra: %s\n# folder: %s\n' "$extra" "$(pwd)"
    cat requirements.lock
    if [ "$extra" != none ]; then cat "requirements-$extra.lock"; fi
}

# Shows how far pip has come, by its log; pip itself would print a thousand lines.
watch_pip() {
    total=$(grep -c '==' "$1")
    while kill -0 "$2" 2>/dev/null; do
        if [ -t 1 ]; then
            printf '\r  %s of at most %s packages fetched ' "$(grep -c '^Collecting' "$log" || true)" "$total"
        fi
        sleep 1
    done
    if [ -t 1 ]; then printf '\r%60s\r' ''; fi
}

install() {
    log=.venv/pip.log
    .venv/bin/python -m pip install --require-hashes --no-deps --progress-bar off -r "$1" >"$log" 2>&1 &
    pip=$!
    trap 'kill "$pip" 2>/dev/null; exit 130' INT TERM
    watch_pip "$1" "$pip"
    wait "$pip" || {
        tail -n 20 "$log" >&2
        fail "installing $1 failed; the whole log is in $log. Nothing is kept: the next call starts anew."
    }
    trap - INT TERM
}

extra=${EXTRA:-$(previous_extra)}
extra=${extra:-none}
case "$extra" in
    none | cuda12 | cuda13) ;;
    *) fail "EXTRA=$extra is unknown; it is cuda12, cuda13 or none." ;;
esac

if [ ! -f "$stamp" ] || ! .venv/bin/python -c '' 2>/dev/null || ! describe | cmp -s - "$stamp"; then
    python=$(find_python)
    printf 'Making .venv with Python %s from requirements.lock (once; a minute or two) …\n' "$(version_of "$python")"
    rm -rf .venv
    "$python" -m venv .venv
    install requirements.lock
    if [ "$extra" != none ]; then install "requirements-$extra.lock"; fi
    describe >.venv/reprise.part
    mv .venv/reprise.part "$stamp"
fi

# The project itself is installed editable: again when its metadata have changed, which takes a second.
if ! cmp -s pyproject.toml .venv/reprise.toml; then
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . >.venv/project.log 2>&1 || {
        tail -n 20 .venv/project.log >&2
        fail "installing the project itself failed; the log is in .venv/project.log."
    }
    cp pyproject.toml .venv/reprise.toml
fi
