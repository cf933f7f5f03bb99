# shellcheck shell=bash
# What a newcomer needs to see once all is up.

banner_print() {
    local key auth json="-H 'Content-Type: application/json'"
    key=$(tenant_value DLO_API_KEY)
    auth="-H 'Authorization: Bearer $key'"
    cat <<TEXT

Dead Letter Office is up.

  Dashboard   $url/
  Login       $(tenant_value DLO_LOGIN)
  Password    $(tenant_value DLO_PASSWORD)
  API key     $key
  All of it   $var/dlo.env      Logs  $var/log/
TEXT
    case $host in 127.* | '[::1]')
        echo "  From afar   ssh -L $port:$host:$port $(id -un)@$(uname -n)    then open http://localhost:$port/" ;;
    esac
    cat <<TEXT

Paste these in order: a webhook to nowhere, an event for it, and its dead letter.

curl -sS $url/v1/webhooks $auth $json -d '{"url":"http://127.0.0.1:9/","maxAttempts":1}'; echo
curl -sS $url/v1/events $auth $json -d '{"eventType":"demo.hello","payload":{"hello":"world"}}'; echo
sleep 2; curl -sS '$url/v1/dlq?limit=1' $auth; echo

TEXT
    if [ -z "$allow_nets" ]; then
        echo "DLO_ALLOW_NETS is empty: only public addresses are allowed, the first line will be refused."
        echo
    fi
}
