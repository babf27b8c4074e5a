# shellcheck shell=bash
# The object stores: S3, Azure and GCS servers over TLS, with an empty bucket each.
# Their objects are files under $STATE/stores, gone at the next cold start.

STORES=$STATE/stores
FULL_SIZE=24m

# Azure's server takes seconds to start: start them first, and wait for them last.
stores_start() {
  # shellcheck source=/dev/null
  . "$PKI/stores.env"
  mkdir -p "$STORES/s3/holdfast" "$STORES/s3/full" "$STORES/azure" "$STORES/gcs/holdfast"
  # A store that fills up at once: shows what a full one does.
  inside bash -c "mountpoint -q '$STORES/s3/full' || mount -t tmpfs -o size=$FULL_SIZE,mode=0755 tmpfs '$STORES/s3/full'"
  s3_server s3 "$S3_IP:9000" s3
  s3_server s3-untrusted "$S3_IP:9001" s3-untrusted
  s3_server s3-door "$S3_IP:9002" s3
  AZURITE_ACCOUNTS=$AZURE_ACCOUNT:$AZURE_KEY start azure node "$AZURITE_BLOB" --blobHost "$AZURE_IP" --blobPort 10000 \
    --cert "$PKI/azure.crt" --key "$PKI/azure.key" --location "$STORES/azure" \
    --disableProductStyleUrl --disableTelemetry --skipApiVersionCheck --silent
  start gcs "$FAKE_GCS" -scheme https -host "$GCS_IP" -port 4443 -public-host gcs.stores.svc.cluster.local:4443 \
    -cert-location "$PKI/gcs.crt" -private-key-location "$PKI/gcs.key" -backend filesystem -filesystem-root "$STORES/gcs" -log-level warn
}

stores_ready() {
  # shellcheck source=/dev/null
  . "$PKI/stores.env"
  until_true 60 "the S3 server" inside curl -sS --cacert "$PKI/stores-ca.crt" "https://$S3_IP:9000/"
  until_true 60 "the GCS server" inside curl -sSf --cacert "$PKI/stores-ca.crt" "https://$GCS_IP:4443/storage/v1/b/holdfast"
  until_true 60 "the Azure server" azure_container
}

s3_server() {
  ROOT_ACCESS_KEY=$S3_ACCESS_KEY ROOT_SECRET_KEY=$S3_SECRET_KEY start "$1" "$VERSITYGW" --port "$2" \
    --cert "$PKI/$3.crt" --key "$PKI/$3.key" --region us-east-1 --quiet posix "$STORES/s3"
}

# Creates the container by a signed request (the Shared Key scheme of the Blob service's REST
# interface); one that exists already answers 409.
azure_container() {
  local date key signature status version=2021-08-06
  date=$(LC_ALL=C TZ=GMT date '+%a, %d %b %Y %H:%M:%S GMT')
  key=$(base64 -d <<<"$AZURE_KEY" | od -An -v -tx1 | tr -d ' \n')
  signature=$(printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:%s\n/%s/%s/holdfast\nrestype:container' \
    "$date" "$version" "$AZURE_ACCOUNT" "$AZURE_ACCOUNT" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64 -w0)
  status=$(inside curl -sS --cacert "$PKI/stores-ca.crt" -o /dev/null -w '%{http_code}' -X PUT -H 'Content-Length: 0' \
    -H "x-ms-date: $date" -H "x-ms-version: $version" -H "Authorization: SharedKey $AZURE_ACCOUNT:$signature" \
    "https://$AZURE_IP:10000/$AZURE_ACCOUNT/holdfast?restype=container")
  [ "$status" = 201 ] || [ "$status" = 409 ] || { echo "HTTP $status"; return 1; }
}
