# shellcheck shell=bash
# Finds the node's end of a pod's network cable (a veth), by the pod's sandbox.

pod_link() {
  local namespace=$1 pod=$2 id pid index
  id=$(images_ctl containers ls -q "labels.\"io.kubernetes.pod.namespace\"==$namespace,labels.\"io.kubernetes.pod.name\"==$pod,labels.\"io.cri-containerd.kind\"==sandbox" | while read -r id; do
    pid=$(images_ctl tasks ls | awk -v id="$id" '$1 == id && $3 == "RUNNING" {print $2}')
    [ -z "$pid" ] || { echo "$pid" && break; }
  done)
  [ -n "$id" ] || die "no running pod $pod in namespace $namespace"
  pid=$id
  # eth0@if7: the other end is the node's device number 7.
  index=$(inside nsenter -t "$pid" -n ip -o link show eth0 | sed -nE 's/.*eth0@if([0-9]+):.*/\1/p')
  inside ip -o link | awk -F': ' -v index_="$index" '$1 == index_ {sub(/@.*/, "", $2); print $2}'
}
