# shellcheck shell=bash
# Builds the programs of the cluster from their modules, once per version.
# Each lands in its own directory by a rename, so a directory that exists is complete.

BIN=$CACHE/bin
KUBE_BIN=$BIN/kube-$KUBE_VERSION
KUBE_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
program() { printf '%s/%s-%s/%s' "$BIN" "$1" "$2" "$1"; }
ETCD=$(program etcd "$ETCD_VERSION")
COREDNS=$(program coredns "$COREDNS_VERSION")
LOCAL_PATH=$(program local-path-provisioner "$LOCAL_PATH_VERSION")
VERSITYGW=$(program versitygw "$VERSITYGW_VERSION")
FAKE_GCS=$(program fake-gcs-server "$FAKE_GCS_VERSION")
AZURITE=$BIN/azurite-$AZURITE_VERSION
AZURITE_BLOB=$AZURITE/node_modules/azurite/dist/src/blob/main.js
PAUSE=$BIN/pause-1/pause
BUSYBOX=$BIN/busybox-1/busybox

programs_ready() {
  local name
  for name in "${KUBE_PROGRAMS[@]}"; do [ -x "$KUBE_BIN/$name" ] || return 1; done
  [ -x "$ETCD" ] && [ -x "$COREDNS" ] && [ -x "$LOCAL_PATH" ] && [ -x "$VERSITYGW" ] &&
    [ -x "$FAKE_GCS" ] && [ -f "$AZURITE_BLOB" ] && [ -x "$PAUSE" ] && [ -x "$BUSYBOX" ]
}

build_programs() {
  local name missing=0 fetching=
  # Compiling Kubernetes takes the processors, the rest of the modules the network: both at once.
  if ! programs_ready; then
    mkdir -p "$LOGS"
    fetch_modules >"$LOGS/modules.log" 2>&1 </dev/null &
    fetching=$!
  fi
  for name in "${KUBE_PROGRAMS[@]}"; do [ -x "$KUBE_BIN/$name" ] || missing=1; done
  ((missing == 0)) || step "Kubernetes $KUBE_VERSION from its module" build_kubernetes
  [ -x "$PAUSE" ] || step "pause" build_pause
  [ -x "$BUSYBOX" ] || step "busybox" build_busybox
  # What could not be fetched is fetched again by the step that needs it, and complained of there.
  [ -z "$fetching" ] || wait "$fetching" 2>/dev/null || true
  [ -x "$ETCD" ] || step "etcd $ETCD_VERSION" go_program etcd "$ETCD_VERSION" go.etcd.io/etcd/server/v3
  [ -x "$COREDNS" ] || step "CoreDNS $COREDNS_VERSION" go_program coredns "$COREDNS_VERSION" github.com/coredns/coredns holdfast.test/coredns
  [ -x "$LOCAL_PATH" ] || step "volume provisioner $LOCAL_PATH_VERSION" go_program local-path-provisioner "$LOCAL_PATH_VERSION" github.com/rancher/local-path-provisioner
  [ -x "$VERSITYGW" ] || step "S3 server versitygw $VERSITYGW_VERSION" go_program versitygw "$VERSITYGW_VERSION" github.com/versity/versitygw github.com/versity/versitygw/cmd/versitygw
  [ -x "$FAKE_GCS" ] || step "GCS server $FAKE_GCS_VERSION" go_program fake-gcs-server "$FAKE_GCS_VERSION" github.com/fsouza/fake-gcs-server
  [ -f "$AZURITE_BLOB" ] || step "Azure server azurite $AZURITE_VERSION" npm_azurite
}

# Downloads what the programs below are made of, one after the other.
fetch_modules() {
  [ -x "$ETCD" ] || (go_module etcd "$ETCD_VERSION" go.etcd.io/etcd/server/v3)
  [ -x "$COREDNS" ] || (go_module coredns "$COREDNS_VERSION" github.com/coredns/coredns)
  [ -x "$LOCAL_PATH" ] || (go_module local-path-provisioner "$LOCAL_PATH_VERSION" github.com/rancher/local-path-provisioner)
  [ -x "$VERSITYGW" ] || (go_module versitygw "$VERSITYGW_VERSION" github.com/versity/versitygw)
  [ -x "$FAKE_GCS" ] || (go_module fake-gcs-server "$FAKE_GCS_VERSION" github.com/fsouza/fake-gcs-server)
  [ -f "$AZURITE_BLOB" ] || npm_azurite
}

# go_module NAME VERSION MODULE: a module of our own that requires it, with everything downloaded. It is entered.
# `go install` would do, but refuses modules with replace directives (etcd has some).
go_module() {
  local name=$1 version=$2 module=$3 work=$CACHE/build/$1-$2
  mkdir -p "$work"
  cd "$work" || return
  # Somebody whose terminal was closed may still be at it.
  exec 8>"$work.lock"
  flock 8
  [ ! -e complete ] || return 0
  rm -rf "${work:?}"/*
  go mod init "holdfast.test/$name"
  # A program of ours is made of packages of the module; without one the module's own is built.
  if [ -f "$CLUSTER_DIR/src/$name.go" ]; then
    cp "$CLUSTER_DIR/src/$name.go" main.go
    go mod edit -require="$module@v$version"
    GOFLAGS=-mod=mod go list -deps . >/dev/null
  else
    GOFLAGS=-mod=mod go get "$module@v$version"
  fi
  touch complete
}

# Builds with few collections of garbage in the compiler, which is short of time and not of memory, and without what only debuggers
# read. The same for every program: what they share is compiled once.
go_build() {
  GOGC=400 CGO_ENABLED=0 nice -n 5 go build -v -trimpath -gcflags=all=-dwarf=false "$@"
}

# go_program NAME VERSION MODULE [PACKAGE]
go_program() {
  local name=$1 version=$2 module=$3 package=${4:-$3} part=$BIN/part.$1.$$
  go_module "$name" "$version" "$module"
  rm -rf "$BIN/part.$name".*
  mkdir -p "$part"
  GOFLAGS=-mod=mod go_build -ldflags '-s -w' -o "$part/$name" "$package"
  rm -rf "${BIN:?}/$name-$version"
  mv "$part" "$BIN/$name-$version"
}

# k8s.io/kubernetes requires its staging modules as v0.0.0: each one needs a replacement,
# which only a module of our own can give.
build_kubernetes() {
  local work=$CACHE/build/kube-$KUBE_VERSION part=$BIN/part.kube.$$ minor=${KUBE_VERSION#*.} staging module name
  staging=v0.$minor
  minor=${minor%%.*}
  mkdir -p "$work"
  cd "$work" || return
  echo "module holdfast.test/kubernetes" >go.mod
  GOFLAGS=-mod=mod go mod download "k8s.io/kubernetes@v$KUBE_VERSION"
  module=$(go env GOMODCACHE)/k8s.io/kubernetes@v$KUBE_VERSION/go.mod
  {
    echo "module holdfast.test/kubernetes"
    grep -E '^go [0-9]' "$module"
    echo "require k8s.io/kubernetes v$KUBE_VERSION"
    echo "replace ("
    grep -oE 'k8s\.io/[a-z0-9-]+ v0\.0\.0$' "$module" | sort -u | awk -v v="$staging" '{print "  " $1 " => " $1 " " v}'
    echo ")"
  } >go.mod
  {
    printf '//go:build tools\n\npackage tools\n\nimport (\n'
    for name in "${KUBE_PROGRAMS[@]}"; do printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "$name"; done
    echo ")"
  } >tools.go
  go mod tidy
  rm -rf "$BIN"/part.kube.*
  mkdir -p "$part"
  local packages=()
  for name in "${KUBE_PROGRAMS[@]}"; do packages+=("k8s.io/kubernetes/cmd/$name"); done
  # Without these variables clients see version 0.0.0 and refuse features.
  local at=k8s.io/component-base/version
  go_build -ldflags "-s -w -X $at.gitVersion=v$KUBE_VERSION -X $at.gitMajor=1 -X $at.gitMinor=$minor" \
    -o "$part/" "${packages[@]}"
  rm -rf "$KUBE_BIN"
  mv "$part" "$KUBE_BIN"
}

build_pause() {
  local part=$BIN/part.pause.$$
  rm -rf "$BIN"/part.pause.*
  mkdir -p "$part"
  cc -Os -static -o "$part/pause" "$CLUSTER_DIR/src/pause.c"
  strip "$part/pause"
  rm -rf "$BIN/pause-1"
  mv "$part" "$BIN/pause-1"
}

# The shell of helper pods: Debian's static busybox, unpacked without being installed.
build_busybox() {
  local part=$BIN/part.busybox.$$
  rm -rf "$BIN"/part.busybox.*
  mkdir -p "$part/deb"
  (cd "$part/deb" && apt-get download -q busybox-static && dpkg-deb -x ./*.deb x)
  cp "$(find "$part/deb/x" -type f -path '*bin/busybox')" "$part/busybox"
  "$part/busybox" true
  rm -rf "$part/deb" "$BIN/busybox-1"
  mv "$part" "$BIN/busybox-1"
}

npm_azurite() {
  local part=$BIN/part.azurite.$$
  rm -rf "$BIN"/part.azurite.*
  mkdir -p "$part"
  npm install --prefix "$part" --no-audit --no-fund --no-package-lock --omit=dev --ignore-scripts "azurite@$AZURITE_VERSION"
  rm -rf "$AZURITE"
  mv "$part" "$AZURITE"
}
