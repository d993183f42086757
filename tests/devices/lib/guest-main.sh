#!/bin/bash
# Runs the `guest` function of each scenario, in the virtual machine. Arguments are in the file `environment` beside it:
# repo, bin, scenarios.
# shellcheck disable=SC1090,SC1091,SC2034,SC2154
. /mnt/out/environment
mkdir /mnt/work
for scenario in $scenarios; do
    mkdir -p "/mnt/out/$scenario"
    (
        set -euo pipefail
        out=/mnt/out/$scenario
        cd /mnt/work
        . "$repo/tests/devices/lib/guest.sh"
        . "$repo/tests/devices/scenarios/$scenario.sh"
        set -x
        guest
    ) > "/mnt/out/$scenario/log" 2>&1
    status=$?
    # What a scenario that failed has left running.
    kill -9 -1
    wait
    dmesg -c > "/mnt/out/$scenario/dmesg"
    cp /mnt/work/*.{log,err} "/mnt/out/$scenario" 2> /dev/null
    rm -rf /mnt/work/*
    echo $status > "/mnt/out/$scenario/status"
done
