{{- define "vllm.fullname" -}}
{{ printf "%s-vllm-deployment" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vllm.selectorLabels" -}}
app.kubernetes.io/name: vllm-deployment
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vllm.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/environment: {{ .Values.environment }}
{{ include "vllm.selectorLabels" . }}
{{- end }}

{{- define "vllm.config" -}}
MODEL_PATH: {{ .Values.model.path | quote }}
SERVED_MODEL_NAME: {{ .Values.model.servedName | quote }}
MAX_MODEL_LEN: {{ .Values.model.maxLen | quote }}
{{- end }}

{{/* A probe on the health route; call with a list of the root and the probe's numbers. */}}
{{- define "vllm.probe" -}}
{{- $root := index . 0 -}}
httpGet:
  path: {{ $root.Values.probes.path }}
  port: http
{{ toYaml (index . 1) }}
{{- end }}
