#!/usr/bin/env bash
# The runbook's automated sequence, step for step, as the script it describes performs it:
# history, disable in the registry, helm rollback --wait, kubectl wait, a pause of 10 s, enable in the registry.
# usage: runbook.sh HELM KUBECTL RELEASE REVISION NAMESPACE    (PG* variables reach the registry)
set -euo pipefail
helm=$1 kubectl=$2 release=$3 revision=$4 namespace=$5

status() {
  psql -qAt -v ON_ERROR_STOP=1 -c \
    "update model_registry_entries set deployment_status = '$1', updated_at = now()
     where model_name = '$release' and deployment_environment = 'development'"
}

"$helm" history "$release" -n "$namespace" >/dev/null
status disabled
"$helm" rollback "$release" "$revision" -n "$namespace" --wait --timeout 10m >/dev/null
"$kubectl" wait --for=condition=available "deployment/$release-vllm-deployment" -n "$namespace" --timeout=300s >/dev/null
sleep 10
status ready
