# shellcheck shell=bash
# containerd, kubelet and kube-proxy: the one node.

CONTAINERD_SOCKET=$STATE/run/containerd.sock
CONTAINERD_ROOT=$STATE/containerd/root
images_ctl() { inside ctr -a "$CONTAINERD_SOCKET" -n k8s.io "$@"; }

cni_programs() {
  local at
  for at in /usr/lib/cni /opt/cni/bin; do
    if [ -x "$at/bridge" ] && [ -x "$at/host-local" ]; then echo "$at"; return; fi
  done
  echo "no CNI plugins in /usr/lib/cni or /opt/cni/bin" >&2
  return 1
}

containerd_up() {
  local cni
  cni=$(cni_programs)
  put "$STATE/etc/cni/10-pods.conflist" <<CONF
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/cni-addresses", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "loopback"}
]}
CONF
  # restrict_oom_score_adj: root may lack CAP_SYS_RESOURCE, and every sandbox would fail.
  put "$STATE/etc/containerd.toml" <<CONF
version = 2
root = "$CONTAINERD_ROOT"
state = "/run/containerd"
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "localhost/pause:1"
  max_concurrent_downloads = 1
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$cni"
    conf_dir = "$STATE/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
CONF
  # After a cold start the containers of the last run are records without processes:
  # forget them before the part that serves the kubelet reads them. Images stay.
  if ! alive containerd; then
    sed 's/^version = 2$/&\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]/' "$STATE/etc/containerd.toml" | put "$STATE/etc/containerd-bare.toml"
    start containerd-bare containerd -c "$STATE/etc/containerd-bare.toml"
    until_true 30 "containerd" images_ctl version
    local id
    for id in $(images_ctl containers ls -q); do images_ctl containers rm "$id" || true; done
    stop containerd-bare
    rm -f "$CONTAINERD_SOCKET"
  fi
  start containerd containerd -c "$STATE/etc/containerd.toml"
  until_true 60 "containerd" images_ctl version
}

kubelet_up() {
  make_cgroups
  # failCgroupV1: machines with hybrid cgroups still serve. imageGC…: images cannot be fetched
  # again here, so none may be collected.
  put "$STATE/etc/kubelet.yaml" <<CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP_NAME
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
clusterDNS: [$NODE_IP]
clusterDomain: cluster.local
resolvConf: $STATE/etc/resolv.conf
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
failSwapOn: false
podLogsDir: $STATE/podlogs
maxPods: 250
registryPullQPS: 0
eventRecordQPS: 0
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
CONF
  mkdir -p "$STATE/podlogs" "$STATE/kubelet"
  start kubelet "$KUBE_BIN/kubelet" --config="$STATE/etc/kubelet.yaml" --kubeconfig="$STATE/etc/kubelet.kubeconfig" \
    --hostname-override="$NODE_NAME" --node-ip="$NODE_IP" --root-dir="$STATE/kubelet"
  start proxy "$KUBE_BIN/kube-proxy" --kubeconfig="$STATE/etc/proxy.kubeconfig" --proxy-mode=nftables \
    --conntrack-max-per-core=0 --cluster-cidr="$POD_CIDR" --hostname-override="$NODE_NAME"
}

node_ready() { [ "$(kubectl get node "$NODE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]; }

volumes_up() {
  sed "s|@VOLUMES@|$STATE/volumes|" "$CLUSTER_DIR/manifests/volumes.yaml" | put "$STATE/etc/volumes.yaml"
  kubectl apply -f "$STATE/etc/volumes.yaml"
  put "$STATE/etc/local-path.json" <<CONF
{"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["$STATE/volumes"]}]}
CONF
  kubectl -n local-path-storage get configmap local-path-config -o 'jsonpath={.data.helperPod\.yaml}' | put "$STATE/etc/helper-pod.yaml"
  start volumes env POD_NAMESPACE=local-path-storage "$LOCAL_PATH" start --kubeconfig "$KUBECONFIG_FILE" \
    --namespace local-path-storage --configmap-name local-path-config --service-account-name local-path-provisioner-service-account \
    --provisioner-name rancher.io/local-path --helper-image localhost/busybox:1 \
    --helper-pod-file "$STATE/etc/helper-pod.yaml" --config "$STATE/etc/local-path.json"
}
