-- Keeps tenants apart on PostgreSQL. Runs after the migrations at every start and looks at the tables themselves, so that no
-- new table can be forgotten; where nothing is missing it only reads.
--
-- A connection says once whose rows it may see: `leadflow.tenant`, or `leadflow.installation` = 'on' for all of them. One that
-- says nothing sees nothing. Also the owner of the tables is held to it; superusers and roles with BYPASSRLS are not.
DO $$
DECLARE
    -- In a sub-select, which PostgreSQL evaluates once a statement instead of once a row.
    own CONSTANT TEXT := $own$tenant = (SELECT NULLIF(current_setting('leadflow.tenant', true), ''))
        OR (SELECT current_setting('leadflow.installation', true) = 'on')$own$;
    -- Rows without a tenant belong to the installation, and whoever works for a tenant needs them.
    shared CONSTANT TEXT := $shared$ OR (tenant = '' AND (SELECT current_setting('leadflow.tenant', true) <> ''))$shared$;
    bare RECORD;
BEGIN
    FOR bare IN
        SELECT class.oid::regclass AS name, class.relname IN ('breakers', 'budgets') AS is_shared
        FROM pg_class class
        JOIN pg_namespace namespace ON namespace.oid = class.relnamespace
        JOIN pg_attribute attribute ON attribute.attrelid = class.oid
        WHERE namespace.nspname = current_schema() AND class.relkind IN ('r', 'p')
            AND attribute.attname = 'tenant' AND NOT attribute.attisdropped
            AND NOT (
                class.relrowsecurity AND class.relforcerowsecurity
                AND EXISTS (SELECT FROM pg_policy WHERE polrelid = class.oid AND polname = 'tenant')
            )
    LOOP
        EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', bare.name);
        EXECUTE format('CREATE POLICY tenant ON %s USING (%s)', bare.name, own || CASE WHEN bare.is_shared THEN shared ELSE '' END);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', bare.name);
    END LOOP;
END
$$;
