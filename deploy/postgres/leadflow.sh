#!/bin/sh
# Creates the role and the database of the store. The role is no superuser, so row-level security holds for it.
set -eu

psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres --set=password="$LEADFLOW_DB_PASSWORD" <<'SQL'
CREATE ROLE leadflow LOGIN PASSWORD :'password';
CREATE DATABASE leadflow OWNER leadflow;
SQL
