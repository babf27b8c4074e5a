# shellcheck shell=bash
# The node's network: a bridge that carries the node's and the stores' addresses, and a default
# route to an address at which nothing answers. The API server and pods want a default route;
# nothing can leave by it.

network_up() {
  # shellcheck disable=SC2016
  inside bash -euc '
    ip link set lo up
    ip link show node0 >/dev/null 2>&1 || ip link add node0 type bridge
    for address in "$@"; do ip addr replace "$address/24" dev node0; done
    ip link set node0 up
    ip route replace default via 10.99.0.254 dev node0
    echo 1 >/proc/sys/net/ipv4/ip_forward
    if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi
  ' network "$NODE_IP" "$S3_IP" "$AZURE_IP" "$GCS_IP"
  put "$STATE/etc/resolv.conf" <<CONF
search svc.cluster.local cluster.local
nameserver $NODE_IP
options ndots:2 timeout:2
CONF
}
