#!/usr/bin/env bash
# Joins two processes and a QEMU guest by one switch and measures them: round trip and TCP throughput.
#
#   sudo examples/measure.sh
#
# Needs iperf3, ping, QEMU and Debian's apt for the guest's kernel. Makes one interface bp-measure and one vmmeasure, and removes both.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
socket=$work/bridgeport.sock
network=10.23.0
seconds=${SECONDS_EACH:-2}

bridgeport() { node "$here/bin/bridgeport.js" "$@" --socket "$socket"; }
plugged() { node "$here/bin/bridgeport.js" run --socket "$socket" --network measure "$@"; }

cleanup() {
  status=$?
  trap - EXIT
  for pid in ${server:-} ${guest:-}; do
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  bridgeport down 2> /dev/null || true
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cat > "$work/bridgeport.yaml" << YAML
socket: $socket
http: "off"
state: $work/state
networks:
  measure: { mode: host-only, subnet: $network.0/24, gateway: $network.1 }
ports:
  guest: { network: measure, type: qemu-tap, ifname: vmmeasure }
YAML
bridgeport up -c "$work/bridgeport.yaml" --detach

# The guest: an address from its command line, iperf3 and a web server (scripts/guest.mjs).
image=$(node "$here/scripts/guest.mjs")
part() { node -p "JSON.parse(process.argv[1])[process.argv[2]]" "$image" "$1"; }
qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 192 -nodefaults -nographic -no-reboot -serial "file:$work/console" \
  -kernel "$(part kernel)" -initrd "$(part initrd)" -append "console=ttyS0 quiet bridgeport.address=$network.50/24" \
  -netdev tap,id=net,ifname=vmmeasure,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=net < /dev/null &
guest=$!
for _ in $(seq 600); do
  grep -qs @ready "$work/console" && break
  kill -0 "$guest" || exit 1
  sleep 0.1
done

# The first process: a server with an address that we choose.
node "$here/bin/bridgeport.js" run --socket "$socket" --network measure --name server --address "$network.40/24" -- \
  iperf3 -s > /dev/null &
server=$!
plugged -- sh -c "for i in \$(seq 50); do ping -c 1 -W 1 $network.40 > /dev/null && exit; sleep 0.1; done; exit 1"

# The second process measures.
round_trip() { plugged -- ping -q -c 200 -i 0.005 "$1" | sed -n 's,^rtt [^=]*= [^/]*/\([^/]*\)/.*,\1 ms,p'; }
throughput() {
  plugged -- iperf3 -c "$1" -t "$seconds" -J |
    node -p "(JSON.parse(require('fs').readFileSync(0)).end.sum_received.bits_per_second / 1e9).toFixed(2) + ' Gbit/s'"
}
printf '%-22s %12s %16s\n' '' 'round trip' 'TCP, one stream'
printf '%-22s %12s %16s\n' 'process to process' "$(round_trip $network.40)" "$(throughput $network.40)"
printf '%-22s %12s %16s\n' 'process to QEMU guest' "$(round_trip $network.50)" "$(throughput $network.50)"
bridgeport port ls
