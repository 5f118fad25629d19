#!/bin/sh
# Creates or updates the two databases of the Temporal server. Safe to repeat; run it before a newer server starts.
# Needs POSTGRES_SEEDS, DB_PORT, POSTGRES_USER, and the password in SQL_PASSWORD.
set -eu

# migrate DATABASE SCHEMA: the name of the database, and of its folder of schema versions.
migrate() {
    set -- "/etc/temporal/schema/postgresql/v12/$2/versioned" \
        temporal-sql-tool --plugin postgres12 --endpoint "$POSTGRES_SEEDS" --port "$DB_PORT" --user "$POSTGRES_USER" \
        --database "$1"
    versions=$1
    shift
    "$@" create
    "$@" setup-schema --version 0.0
    "$@" update-schema --schema-dir "$versions"
}

migrate temporal temporal
migrate temporal_visibility visibility
