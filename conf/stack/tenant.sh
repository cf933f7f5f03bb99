# shellcheck shell=bash
# The first tenant: a project on the enterprise plan with 30 days, its key, the operator's key and login. Each step's
# answer is kept at once in $home/secrets/tenant.env, so that a first start that was broken off goes on where it stood.
# $var/dlo.env (0600) is written from it at every start.

# tenant_step VARIABLE ARGUMENT...: runs `dlo ARGUMENT...` unless its answer is there already
tenant_step() {
    local file=$home/secrets/tenant.env answer
    if grep -q "^$1=" "$file"; then return; fi
    shift
    answer=$(dlo "$@" --format env) || die "'dlo $1 $2' failed"
    echo "$answer" | grep '^DLO_[A-Z_]*=' >>"$file" || die "'dlo $1 $2' answered '$answer'"
}

tenant_value() { sed -n "s/^$1=//p" "$home/secrets/tenant.env" | tail -n 1; }

tenant_prepare() {
    local project
    (umask 077 && touch "$home/secrets/tenant.env")
    tenant_step DLO_PROJECT project create --name default --plan enterprise --retention-days 30
    project=$(tenant_value DLO_PROJECT)
    tenant_step DLO_API_KEY key create --project "$project" --scopes admin
    tenant_step DLO_OPERATOR_KEY key create --operator
    tenant_step DLO_PASSWORD user create --login operator@localhost --project "$project"
}

tenant_write_env() {
    local name
    (umask 077 && : >"$var/dlo.env.new")
    {
        echo "DLO_URL=$url"
        for name in DLO_API_KEY DLO_OPERATOR_KEY DLO_LOGIN DLO_PASSWORD; do echo "$name=$(tenant_value $name)"; done
        echo "DLO_DSN=$(postgres_dsn dlo_owner)"
    } >"$var/dlo.env.new"
    mv "$var/dlo.env.new" "$var/dlo.env"
}
