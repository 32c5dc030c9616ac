#!/usr/bin/env bash
# Starts or stops the cluster that `make cluster` gives to people.
# usage: cluster.sh up DIR GPUS | cluster.sh down DIR
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
testbed=$root/target/testbed/bin/testbed
dir=${2:?directory}

case ${1:-} in
up)
  "$testbed" up --dir "$dir" --gpus "${3:-8}" --image "vllm-sim=$target/release/vllm-sim" --detach >/dev/null
  cat <<TEXT
A Kubernetes cluster is running. Pods are local processes; the image vllm-sim is a stand-in for a vLLM server.

  export KUBECONFIG=$dir/kubeconfig PATH=$root/target/testbed/bin:$target/release:\$PATH
  helm4 install demo $root/tests/chart/vllm-deployment -f $root/tests/chart/vllm-deployment/values-good.yaml
  kubectl get pods

Stop it with: make cluster-down
TEXT
  ;;
down)
  if [ ! -d "$dir" ]; then
    echo "no cluster is running in $dir"
    exit 0
  fi
  "$testbed" down --dir "$dir"
  ;;
*)
  sed -n '3p' "$0" >&2
  exit 2
  ;;
esac
