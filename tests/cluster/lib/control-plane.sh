# shellcheck shell=bash
# etcd, API server, controller manager, scheduler and DNS, tuned for two cores.

KUBECONFIG_FILE=$STATE/etc/admin.kubeconfig
kubectl() { inside "$KUBE_BIN/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

control_plane_up() {
  # No fsync: the data of a test cluster need not survive the machine.
  start etcd "$ETCD" --data-dir "$STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --log-level warn --snapshot-count 5000 \
    --auto-compaction-mode periodic --auto-compaction-retention 10m
  start apiserver "$KUBE_BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$NODE_IP" --service-cluster-ip-range="$SERVICE_CIDR" \
    --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
    --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --event-ttl=2h --profiling=false
  until_true 120 "the API server" kubectl get --raw /readyz
  start controller-manager "$KUBE_BIN/kube-controller-manager" --kubeconfig="$STATE/etc/kcm.kubeconfig" \
    --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" --use-service-account-credentials \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
    --leader-elect=false --profiling=false --kube-api-qps=100 --kube-api-burst=200 \
    --node-monitor-grace-period=2m
  start scheduler "$KUBE_BIN/kube-scheduler" --kubeconfig="$STATE/etc/scheduler.kubeconfig" \
    --leader-elect=false --profiling=false --kube-api-qps=100 --kube-api-burst=200
}

# CoreDNS answers for the cluster and says at once that no other name exists: a program that
# asks for one would otherwise hang for seconds.
dns_up() {
  put "$STATE/etc/Corefile" <<CONF
cluster.local:53 in-addr.arpa:53 {
  bind $NODE_IP
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $KUBECONFIG_FILE
    ttl 2
  }
  cache 2
}
.:53 {
  bind $NODE_IP
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
CONF
  start coredns "$COREDNS" -conf "$STATE/etc/Corefile"
}
