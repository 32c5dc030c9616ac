-- The runbook's registry table, with the columns, constraints and indexes of its two migrations put together.

CREATE TABLE organizations (
    organization_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL
);

-- The default owner of a model; without this row an insert that names no organization fails.
INSERT INTO organizations (organization_id, name) VALUES ('00000000-0000-0000-0000-000000000000', 'platform');

CREATE TABLE model_registry_entries (
    model_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
        REFERENCES organizations (organization_id) ON DELETE SET DEFAULT,
    model_name text NOT NULL,
    revision integer NOT NULL,
    deployment_target text NOT NULL CHECK (deployment_target IN ('managed', 'self_hosted')),
    cost_per_1k_tokens numeric NOT NULL DEFAULT 0,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- host:port, without a scheme
    deployment_endpoint text,
    deployment_status text
        CHECK (deployment_status IN ('pending', 'deploying', 'ready', 'degraded', 'failed', 'disabled')),
    deployment_environment text CHECK (deployment_environment IN ('development', 'staging', 'production')),
    deployment_namespace text,
    last_health_check_at timestamptz,
    UNIQUE (organization_id, model_name, revision),
    CONSTRAINT model_registry_entries_unique_deployment UNIQUE (model_name, deployment_environment)
);

CREATE INDEX model_registry_entries_ready ON model_registry_entries (deployment_status, model_name)
    WHERE deployment_status = 'ready';
