# Steps in lanes, for a script that sources this: steps of a lane run one after the other, lanes side by
# side. A step's output is kept in a file of its own and printed whole when the step ends.
#
#   words() { step "the words" make words; }   # a lane is a function of steps
#   run_lanes words figures                    # runs both, prints the table, and fails if a step failed

lanes_folder=$(mktemp -d)
lanes_pids=()

# Ends the lanes that still run, with everything they started: each is a process group of its own. Shows
# how far their steps came.
end_lanes() {
  local pid log
  for pid in "${lanes_pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for log in "$lanes_folder"/step.*; do
    if [[ -e $log ]]; then
      printf '\n== ended before it was done:\n'
      tail -n 100 "$log"
    fi
  done
  rm -rf "$lanes_folder"
}
trap end_lanes EXIT
trap 'exit 130' INT TERM

# step TITLE COMMAND…: runs a command. A failure is recorded and the lane goes on, so that one run of CI
# shows everything that is wrong.
step() {
  local title=$1 began=$SECONDS log status=0 result=ok
  shift
  log=$(mktemp "$lanes_folder/step.XXXXXX")
  printf -- '-- %s (begins at %ss)\n' "$title" "$began"
  printf '%s\n' "$title" >"$log"
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  if ((status)); then result="FAILED ($status)"; fi
  # One step prints at a time.
  (
    flock 9
    printf '\n== '
    cat "$log"
    rm "$log"
    printf '== %s: %s after %ss\n' "$title" "$result" "$((SECONDS - began))"
    printf '%s\t%s\t%s\n' "$((SECONDS - began))" "$result" "$title" >>"$lanes_folder/table"
  ) 9>"$lanes_folder/lock"
}

# run_lanes LANE…: runs these functions side by side and waits for all. Fails if a step or a lane failed.
run_lanes() {
  local lane pid failed=0
  set -m # a process group for each lane
  for lane in "$@"; do
    (
      trap - EXIT INT TERM
      "$lane"
    ) &
    lanes_pids+=("$!")
  done
  set +m
  for pid in "${lanes_pids[@]}"; do wait "$pid" || failed=1; done
  lanes_pids=()
  printf '\n'
  awk -F '\t' '
    BEGIN { printf "%-62s %8s  %s\n", "step", "minutes", "result" }
    { printf "%-62s %8.1f  %s\n", $3, $1 / 60, $2 }
  ' "$lanes_folder/table"
  printf '%-62s %8s\n' "so far" "$(awk "BEGIN { printf \"%.1f\", $SECONDS / 60 }")"
  if grep -q FAILED "$lanes_folder/table"; then failed=1; fi
  return "$failed"
}
