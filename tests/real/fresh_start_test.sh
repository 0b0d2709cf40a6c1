#!/bin/bash
# fresh_start_test: the README's five minutes. `make run` in a copy of the repository, set a key,
# kill -9, `make run` again, get it back.
#
# short: the copy gets the program that is already built; --full: the copy builds it.
# RUN_SECONDS bounds each wait. It uses the README's own ports, so they have to be free.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
form=short
server=${ALF_SERVER:-$repository/build/release/alfheimdb}
while (($#)); do
  case $1 in
    --full) form=full ;;
    --short) form=short ;;
    --server) server=$2; shift ;;
    --seed) shift ;;
    *) echo "fresh_start_test: unknown option $1" >&2; exit 1 ;;
  esac
  shift
done
run_seconds=${RUN_SECONDS:-$([[ $form == full ]] && echo 1800 || echo 60)}
work=$(mktemp -d "${TMPDIR:-/tmp}/alf-fresh-start-XXXXXX")
make_pid=

fail() {
  echo "fresh_start_test: FAILED: $*"
  echo "  files:  $work (make's output: make.log)"
  echo "  replay: tests/real/fresh_start_test.sh --$form --server $server"
  tail -n 20 "$work/make.log" 2>/dev/null | sed 's/^/  | /' || true
  exit 1
}

# The server's pid: the child of our make (or of its shell) that runs the program in the copy.
server_pid() {
  local parents=$make_pid children child
  while [[ -n $parents ]]; do
    children=
    for parent in $parents; do
      for child in $(pgrep -P "$parent" || true); do
        if [[ $(readlink "/proc/$child/exe" 2>/dev/null) == "$work/copy/build/release/alfheimdb" ]]; then
          echo "$child"
          return
        fi
        children+=" $child"
      done
    done
    parents=${children# }
  done
}

cleanup() {
  local status=$? pid
  if [[ -n $make_pid ]]; then
    pid=$(server_pid)
    [[ -n $pid ]] && kill -9 "$pid" 2>/dev/null
    kill "$make_pid" 2>/dev/null
  fi
  ((status == 0)) && rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT

for port in 6379 7379 8379; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "port $port of 127.0.0.1 is in use, and \`make run\` needs it"
  fi
done

mkdir "$work/copy"
if [[ $form == full ]]; then
  # What git knows, as it lies in the work tree now.
  git -C "$repository" ls-files -z | (cd "$repository" && tar --null --ignore-failed-read -T - -cf - 2>/dev/null) | tar -xf - -C "$work/copy"
  words=(run)
else
  [[ -x $server ]] || fail "no server at $server: build it first, or name one with --server or ALF_SERVER"
  mkdir -p "$work/copy/build/release"
  cp "$repository/Makefile" "$work/copy/"
  cp -L "$server" "$work/copy/build/release/alfheimdb"
  words=(-o all run)
fi

# Starts `make run` and waits for the line that says that the node serves.
make_run() {
  : >"$work/make.log"
  make -C "$work/copy" "${words[@]}" >"$work/make.log" 2>&1 &
  make_pid=$!
  local deadline=$((SECONDS + run_seconds))
  until grep -q '^ready:' "$work/make.log"; do
    kill -0 "$make_pid" 2>/dev/null || fail "\`make run\` ended without a ready line"
    ((SECONDS < deadline)) || fail "\`make run\` gave no ready line within $run_seconds s"
    sleep 0.05
  done
}

make_run
[[ $(redis-cli set k v) == OK ]] || fail "redis-cli set k v"
[[ $(redis-cli get k) == v ]] || fail "redis-cli get k, before the kill"
pid=$(server_pid)
[[ -n $pid ]] || fail "no process of the copy runs below make"
kill -9 "$pid"
wait "$make_pid" 2>/dev/null && fail "make run succeeded although its server was killed"
make_run
found=$(redis-cli get k)
[[ $found == v ]] || fail "after kill -9 and \`make run\` again, get k gave '$found', expected 'v'"
pid=$(server_pid)
kill -TERM "$pid"
status=0
wait "$make_pid" 2>/dev/null || status=$?
make_pid=
((status == 0)) || fail "SIGTERM: make run ended with $status, expected 0"
echo "fresh_start_test: passed in $SECONDS s ($form)"
