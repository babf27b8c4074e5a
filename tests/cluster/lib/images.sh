# shellcheck shell=bash
# Builds the images as archives and loads them into the node's containerd. An archive's name
# carries a digest of everything it was made from: one that exists is up to date, and one that
# is loaded already is not loaded again.

BUILDAH_ROOT=$CACHE/buildah

# The tag and the recipe's inputs of each image.
image_ref() {
  case $1 in
    pause) echo localhost/pause:1 ;;
    busybox) echo localhost/busybox:1 ;;
    postgres-*) echo "localhost/holdfast-postgres:${1#postgres-}" ;;
    operator) echo localhost/holdfast:dev ;;
    *) die "no image is called $1: pause, busybox, postgres-18, postgres-17, operator" ;;
  esac
}

postgres_suite() {
  local name=POSTGRES_$1_SUITE
  echo "${!name:?no Debian suite for PostgreSQL $1 in versions.env}"
}

digest() { sha256sum | cut -c1-16; }

image_stamp() {
  local at=$REPO_DIR/deploy/images
  case $1 in
    pause) digest <"$PAUSE" ;;
    busybox) digest <"$BUSYBOX" ;;
    postgres-*) { postgres_suite "${1#postgres-}"; cat "$at/postgres/Containerfile"; } | digest ;;
    operator) { echo "$OPERATOR_SUITE"; cat "$at/holdfast/Containerfile" "$(operator_binary)"; } | digest ;;
  esac
}

# Where `make build` leaves the binary, unless HOLDFAST_BINARY names another.
operator_binary() {
  local target=${CARGO_TARGET_DIR:-$REPO_DIR/target}
  echo "${HOLDFAST_BINARY:-$target/release/holdfast}"
}

image_archive() { echo "$IMAGES/$1-$(image_stamp "$1").tar"; }

image_build() {
  local name=$1 archive part
  archive=$(image_archive "$name")
  [ ! -f "$archive" ] || return 0
  mkdir -p "$IMAGES"
  rm -f "$IMAGES/part.$name".*
  part=$IMAGES/part.$name.$$
  step "image $(image_ref "$name")" "image_build_${name%%-*}" "$part" "${name#*-}"
  mv "$part" "$archive"
  # Archives of earlier inputs are of no more use.
  find "$IMAGES" -maxdepth 1 -name "$name-????????????????.tar" ! -path "$archive" -delete
}

image_build_pause() {
  local root=$IMAGES/root.$$
  mkdir -p "$root"
  cp "$PAUSE" "$root/pause"
  plain_archive "$root" localhost/pause:1 '{"Entrypoint": ["/pause"], "User": "65535:65535"}' "$1"
}

image_build_busybox() {
  local root=$IMAGES/root.$$ name
  mkdir -p "$root/bin" "$root/etc" "$root/tmp"
  chmod 1777 "$root/tmp"
  cp "$BUSYBOX" "$root/bin/busybox"
  for name in $("$BUSYBOX" --list); do [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"; done
  echo "root:x:0:0:root:/:/bin/sh" >"$root/etc/passwd"
  plain_archive "$root" localhost/busybox:1 '{"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]}' "$1"
}

# plain_archive ROOT REF CONFIG ARCHIVE: an image of one layer, as `docker save` writes it.
plain_archive() {
  local root=$1 ref=$2 config=$3 archive=$4 work=$IMAGES/work.$$
  mkdir -p "$work"
  tar -C "$root" --owner=0 --group=0 --numeric-owner --sort=name --mtime=@0 -cf "$work/layer.tar" .
  jq -n --argjson config "$config" --arg diff "sha256:$(sha256sum "$work/layer.tar" | cut -d' ' -f1)" \
    '{architecture: "amd64", os: "linux", created: "1970-01-01T00:00:00Z", config: $config, rootfs: {type: "layers", diff_ids: [$diff]}, history: [{created: "1970-01-01T00:00:00Z"}]}' >"$work/config.json"
  jq -n --arg ref "$ref" '[{Config: "config.json", RepoTags: [$ref], Layers: ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$archive" manifest.json config.json layer.tar
  rm -rf "$work" "$root"
}

image_build_postgres() {
  local suite
  suite=$(postgres_suite "$2")
  base_image "$suite"
  build_archive "$1" "localhost/holdfast-postgres:$2" "$REPO_DIR/deploy/images/postgres" \
    --build-arg "DEBIAN_SUITE=$suite" --build-arg "POSTGRES_MAJOR=$2"
}

image_build_operator() {
  local context=$IMAGES/context.$$ binary
  binary=$(operator_binary)
  [ -x "$binary" ] || { echo "no operator binary at $binary: run make build, or set HOLDFAST_BINARY"; return 1; }
  base_image "$OPERATOR_SUITE"
  mkdir -p "$context"
  cp "$REPO_DIR/deploy/images/holdfast/Containerfile" "$context/"
  cp "$binary" "$context/holdfast"
  build_archive "$1" localhost/holdfast:dev "$context" --build-arg "DEBIAN_SUITE=$OPERATOR_SUITE"
  rm -rf "$context"
}

# buildah with storage of its own. Its mounts live in a mount namespace that ends with it, and
# its record of them (the run root) as well, so that a kill leaves nothing mounted.
buildah_here() {
  local policy=$BUILDAH_ROOT/policy.json run=$BUILDAH_ROOT.run.$$ code=0 verb=$1
  shift
  put "$policy" <<<'{"default": [{"type": "insecureAcceptAnything"}]}'
  local options=()
  case $verb in bud | push | pull | commit | from) options=(--signature-policy "$policy") ;; esac
  unshare --mount --propagation private -- \
    buildah --root "$BUILDAH_ROOT" --runroot "$run" --storage-driver overlay "$verb" "${options[@]}" "$@" || code=$?
  rm -rf "$run"
  return $code
}

# The machine's clock may be far from the mirror's last update of a testing suite.
APT_OPTIONS='-o Acquire::Check-Valid-Until=false -o Acquire::Languages=none'

build_archive() {
  local archive=$1 ref=$2 context=$3 before after
  shift 3
  before=$(buildah_here images -q --no-trunc --filter "reference=$ref")
  buildah_here bud --isolation chroot --layers --pull-never --tag "$ref" --build-arg "APT_OPTIONS=$APT_OPTIONS" "$@" \
    --file "$context/Containerfile" "$context"
  rm -f "$archive"
  buildah_here push "$ref" "docker-archive:$archive:$ref"
  # What carried the name before is of no more use; the layers that both share stay.
  after=$(buildah_here images -q --no-trunc --filter "reference=$ref")
  [ -z "$before" ] || [ "$before" = "$after" ] || buildah_here rmi "$before" || true
}

# The public base image where its registry answers; else the same suite from Debian's mirror,
# under the same name, so that one recipe serves both.
base_image() {
  local suite=$1 ref=docker.io/library/debian:$1-slim work=$IMAGES/base.$$ container
  [ -z "$(buildah_here images -q --filter "reference=$ref" 2>/dev/null)" ] || return 0
  if [ "${HOLDFAST_BASE:-}" != debian ] && curl -s -o /dev/null --max-time 5 https://registry-1.docker.io/v2/ &&
    buildah_here pull "$ref"; then
    return 0
  fi
  rm -rf "$IMAGES"/base.*
  mkdir -p "$work"
  # In a mount namespace, and with its temporary files there: a kill leaves nothing behind.
  TMPDIR=$work unshare --mount --propagation private -- mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include=ca-certificates "$suite" "$work/root.tar" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
  container=$(buildah_here from --pull-never scratch)
  buildah_here add --quiet "$container" "$work/root.tar" /
  buildah_here config --cmd bash "$container"
  buildah_here commit --rm --quiet "$container" "$ref"
  rm -rf "$work"
}

# Loads an image unless the node has exactly that one.
image_load() {
  local name=$1 ref stamp there
  ref=$(image_ref "$name")
  stamp=$(image_stamp "$name")
  there=$(images_ctl images ls -q)
  if [ "$(cat "$STATE/containerd/loaded/$name" 2>/dev/null)" = "$stamp" ] && grep -qxF "$ref" <<<"$there"; then
    return 0
  fi
  step "load $ref" images_ctl images import "$(image_archive "$name")"
  put "$STATE/containerd/loaded/$name" <<<"$stamp"
}
