#!/bin/sh
# Proves on a cluster of its own what the other tests rely on. About a minute.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../.." && pwd)/target/testbed/bin
PATH=$bin:$PATH
work=$(mktemp -d)
export KUBECONFIG="$work/cluster/kubeconfig" HOME="$work"
trap 'testbed down --dir "$work/cluster"; rm -rf "$work"' EXIT

# eventually WANTED COMMAND...: the command's output contains WANTED within 30 s.
eventually() {
  wanted=$1
  shift
  for _ in $(seq 150); do
    case $("$@" 2>&1) in *"$wanted"*)
      echo "ok: $wanted"
      return
      ;;
    esac
    sleep 0.2
  done
  echo "FAILED: no \"$wanted\" in: $*" >&2
  "$@" >&2 || true
  exit 1
}
pod_json() { kubectl get pod "$1" -o jsonpath="{.status$2}"; }

testbed up --dir "$work/cluster" --gpus 2 --extra-token weak=alice --image tools/env=/usr/bin/env --detach >/dev/null
kubectl apply -f "$here/smoke.yaml" >/dev/null

eventually "successfully rolled out" kubectl rollout status deploy/web
eventually 'CrashLoopBackOff' pod_json crash '.containerStatuses[0].state'
eventually '"exitCode":3' pod_json crash '.containerStatuses[0].lastState'
eventually 'about to fail' kubectl logs crash --previous
eventually 'OOMKilled' pod_json oom '.containerStatuses[0].lastState'
eventually '"exitCode":137' pod_json killed '.containerStatuses[0].lastState'
eventually 'ImagePullBackOff' pod_json noimage '.containerStatuses[0].state'
eventually 'ErrImagePull' kubectl get events
eventually 'StartError' pod_json badcommand '.containerStatuses[0].state'
eventually 'is not mapped' kubectl logs nocommand
eventually 'POD_NAME=mapped' kubectl logs mapped
eventually '1 Insufficient nvidia.com/gpu' pod_json greedy '.conditions'
eventually 'statuscode: 404' kubectl get events --field-selector involvedObject.name=unwell
eventually 'failed liveness probe' kubectl get events --field-selector involvedObject.name=unwell
eventually 'from-config-map' kubectl logs volumes
eventually 'Directory listing' kubectl get --raw /api/v1/namespaces/default/services/web:http/proxy/
eventually '10.244.' kubectl get endpointslices
eventually 'web-' kubectl exec deploy/web -- sh -c 'echo $POD_NAME'
eventually 'cannot list resource' kubectl --token weak --server "$(kubectl config view -o 'jsonpath={.clusters[0].cluster.server}')" \
  --kubeconfig /dev/null --certificate-authority "$work/cluster/pki/ca.crt" get pods

kubectl port-forward deploy/web :8000 :1 >"$work/forward" 2>&1 &
forward=$!
eventually '-> 1' cat "$work/forward"
port=$(sed -n 's/.*127.0.0.1:\([0-9]*\) -> 8000/\1/p' "$work/forward")
closed=$(sed -n 's/.*127.0.0.1:\([0-9]*\) -> 1$/\1/p' "$work/forward")
eventually 'Directory listing' curl -s "http://127.0.0.1:$port/"
curl -s "http://127.0.0.1:$closed/" || true
eventually 'connection refused' cat "$work/forward"
kill "$forward" 2>/dev/null || true

kubectl set env deploy/web REVISION=2 >/dev/null
eventually 'successfully rolled out' kubectl rollout status deploy/web
before=$(date +%s)
kubectl delete pod stubborn --grace-period=2 >/dev/null
[ $(($(date +%s) - before)) -ge 2 ] && echo "ok: SIGKILL only after the grace period"

for helm in helm3 helm4; do
  "$helm" create "$work/$helm" >/dev/null 2>&1
  rm -r "$work/$helm"/templates/*
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}"}\ndata: {revision: "{{ .Release.Revision }}"}\n' >"$work/$helm/templates/map.yaml"
  "$helm" install "$helm" "$work/$helm" --wait >/dev/null
  "$helm" upgrade "$helm" "$work/$helm" --wait >/dev/null
  "$helm" rollback "$helm" 1 --wait >/dev/null
  eventually 'Rollback to 1' "$helm" history "$helm"
done

# A killed cluster takes its pods with it, and what they started.
id=$(sed 's/.*"cluster_id":"\([0-9a-f]*\)".*/\1/' "$work/cluster/cluster.json")
kill -9 "$(sed 's/.*"up_pid":\([0-9]*\).*/\1/' "$work/cluster/cluster.json")"
left() { echo "left: $(grep -lzxF "TESTBED_CLUSTER=$id" /proc/[0-9]*/environ 2>/dev/null | wc -l)"; }
eventually 'left: 0' left
echo "all ok"
