# shellcheck shell=bash
# Certificates of the cluster and of the stores, and the stores' credentials. Made once per state
# directory, in a directory of another name that is renamed when complete.

PKI=$STATE/pki

certificates() {
  [ ! -f "$PKI/complete" ] || return 0
  local part=$PKI.part
  rm -rf "$part" "$PKI"
  mkdir -p "$part"
  cd "$part" || return
  authority ca kubernetes
  authority stores-ca "test stores"
  authority untrusted-ca "nobody trusts this one"
  openssl ecparam -name prime256v1 -genkey -noout -out sa.key
  openssl ec -in sa.key -pubout -out sa.pub
  local server=extendedKeyUsage=serverAuth client=extendedKeyUsage=clientAuth both=extendedKeyUsage=serverAuth,clientAuth
  certificate ca apiserver /CN=kube-apiserver $server "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:10.96.0.1,IP:$NODE_IP,IP:127.0.0.1"
  certificate ca kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" $both "DNS:$NODE_NAME,IP:$NODE_IP"
  certificate ca admin /O=system:masters/CN=admin $client
  certificate ca kcm /CN=system:kube-controller-manager $client
  certificate ca scheduler /CN=system:kube-scheduler $client
  certificate ca proxy /CN=system:kube-proxy $client
  certificate ca kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client $client
  certificate stores-ca s3 /CN=s3 $server "$(store_names s3),IP:$S3_IP"
  certificate stores-ca azure /CN=azure $server "$(store_names azure),IP:$AZURE_IP"
  certificate stores-ca gcs /CN=gcs $server "$(store_names gcs),IP:$GCS_IP"
  certificate untrusted-ca s3-untrusted /CN=s3 $server "$(store_names s3),IP:$S3_IP"
  {
    echo "S3_ACCESS_KEY=holdfast$(openssl rand -hex 6)"
    echo "S3_SECRET_KEY=$(openssl rand -hex 20)"
    echo "AZURE_ACCOUNT=holdfast"
    echo "AZURE_KEY=$(openssl rand -base64 64 | tr -d '\n')"
    echo "GCS_TOKEN=$(openssl rand -hex 16)"
  } >stores.env
  chmod 0600 ./*.key stores.env
  touch complete
  mv "$part" "$PKI"
}

store_names() { echo "DNS:$1.stores.svc.cluster.local,DNS:$1.stores.svc,DNS:$1.stores"; }

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$1.key" -out "$1.crt"
}

# certificate AUTHORITY NAME SUBJECT USAGE [NAMES]
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$3" -keyout "$2.key" -out "$2.csr"
  {
    echo basicConstraints=critical,CA:FALSE
    echo keyUsage=critical,digitalSignature
    echo "$4"
    echo subjectKeyIdentifier=hash
    echo authorityKeyIdentifier=keyid
    [ -z "${5:-}" ] || echo "subjectAltName=$5"
  } >"$2.ext"
  openssl x509 -req -in "$2.csr" -CA "$1.crt" -CAkey "$1.key" -CAcreateserial -days 3650 -out "$2.crt" -extfile "$2.ext"
  rm "$2.csr" "$2.ext"
}

kubeconfigs() {
  local name
  for name in admin kubelet kcm scheduler proxy; do
    put "$STATE/etc/$name.kubeconfig" <<CONF
apiVersion: v1
kind: Config
current-context: holdfast
clusters:
- name: holdfast
  cluster:
    server: https://$NODE_IP:6443
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $name
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$name.crt")
    client-key-data: $(base64 -w0 "$PKI/$name.key")
contexts:
- name: holdfast
  context: {cluster: holdfast, user: $name}
CONF
    chmod 0600 "$STATE/etc/$name.kubeconfig"
  done
}
