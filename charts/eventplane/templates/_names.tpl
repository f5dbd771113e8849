{{- define "eventplane.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, which stands alone where it says what it is. 50 characters leave room for suffixes. */}}
{{- define "eventplane.fullname" -}}
{{- $name := include "eventplane.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "eventplane.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "eventplane.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "eventplane.webhookSecret" -}}
{{- if eq .Values.webhook.certificate "existingSecret" }}
{{- required "webhook.existingSecret is needed where webhook.certificate is existingSecret" .Values.webhook.existingSecret }}
{{- else }}
{{- include "eventplane.fullname" . }}-webhook
{{- end }}
{{- end }}

{{- define "eventplane.selectorLabels" -}}
app.kubernetes.io/name: {{ include "eventplane.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eventplane.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{ include "eventplane.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "eventplane.subject" -}}
- kind: ServiceAccount
  name: {{ include "eventplane.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Bind a ClusterRole of ours (its last part) to the operator: everywhere, or in some namespaces. */}}
{{- define "eventplane.bindings" -}}
{{- $ := index . 0 -}}
{{- $role := printf "%s-%s" (include "eventplane.fullname" $) (index . 1) -}}
{{- if eq (index . 2) "cluster" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $role }}
  labels:
    {{- include "eventplane.labels" $ | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $role }}
subjects:
  {{- include "eventplane.subject" $ | nindent 2 }}
{{- else }}
{{- range index . 3 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $role }}
  namespace: {{ . }}
  labels:
    {{- include "eventplane.labels" $ | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $role }}
subjects:
  {{- include "eventplane.subject" $ | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
