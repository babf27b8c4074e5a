# shellcheck shell=bash
# What the machine must bring, and what apt can add. One message names everything that is missing.

# command=package
APT_COMMANDS=(containerd=containerd runc=runc conntrack=conntrack nft=nftables iptables=iptables ethtool=ethtool
  socat=socat buildah=buildah mmdebstrap=mmdebstrap jq=jq openssl=openssl ip=iproute2 curl=curl cc=gcc
  strip=binutils nsenter=util-linux)

prerequisites() {
  local missing=() packages=() pair free
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || missing+=("Linux on x86_64")
  [ "$(id -u)" = 0 ] || missing+=("root: the cluster needs namespaces, mounts and nftables (try sudo -E)")
  if ! programs_ready; then
    have go || missing+=("Go 1.21 or newer (https://go.dev/dl/), to build Kubernetes and the stores")
    have npm || missing+=("npm, to fetch the Azure server")
    free=$(df --output=avail -BG "$(mkdir -p "$CACHE" && echo "$CACHE")" | tail -n 1 | tr -dc 0-9)
    ((free >= 15)) || missing+=("15 GB of free disk for $CACHE (it has $free GB)")
  fi
  have node || missing+=("Node.js 18 or newer, to run the Azure server")
  for pair in "${APT_COMMANDS[@]}"; do
    have "${pair%%=*}" || packages+=("${pair#*=}")
  done
  [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || packages+=(containernetworking-plugins)
  # Not for the cluster: the tests of the agent run statements in a PostgreSQL of the machine.
  have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
  if ((${#packages[@]})) && ! have apt-get; then missing+=("apt-get, or these programs by hand: ${packages[*]}"); fi
  if ((${#missing[@]})); then
    printf '\nERROR: this machine lacks:\n' >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
  fi
  ((${#packages[@]} == 0)) || step "apt packages" install_packages "${packages[@]}"
  # Built into some kernels; elsewhere the cluster's own namespaces cannot load them by themselves.
  modprobe -a overlay bridge veth br_netfilter nf_tables 2>/dev/null || true
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  # Debian would start a server of its own for every version it installs.
  [ -e /etc/postgresql-common ] || { mkdir -p /etc/postgresql-common/createcluster.d &&
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/holdfast.conf; }
  apt-get -q update || true
  apt-get -q install -y --no-install-recommends "$@" debian-archive-keyring
}

# Equal for two checkouts that would start the same cluster.
cluster_version() {
  cat "$CLUSTER_DIR/versions.env" "$CLUSTER_DIR"/manifests/*.yaml \
    "$CLUSTER_DIR"/lib/{process,network,certificates,control-plane,node,stores}.sh "$CLUSTER_DIR/lib/keeper" | sha256sum | cut -c1-16
}

# State of processes that are gone. Images and certificates stay.
clear_state() {
  remove_cgroups
  rm -rf "${STATE:?}"/{run,etcd,kubelet,podlogs,volumes,stores,etc,logs}
  mkdir -p "$STATE"/{run,etcd,logs,volumes}
}
