{{/* Labels of every object. All of these templates are called with (dict "root" $ "name" … "component" … "class" …). */}}
{{- define "tieline.labels" -}}
{{ include "tieline.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of pods: nothing that changes with the chart's version, which alone must not restart a fleet. */}}
{{- define "tieline.podLabels" -}}
{{ include "tieline.selector" . }}
app.kubernetes.io/part-of: tieline
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels that select pods; they never change for a release. */}}
{{- define "tieline.selector" -}}
app.kubernetes.io/name: tieline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .class }}
tieline.dev/router-class: {{ . }}
{{- end }}
{{- end }}

{{/* Name, namespace, labels and annotations; takes "annotations", "namespace" and "clusterScoped" besides. */}}
{{- define "tieline.metadata" -}}
name: {{ .name }}
{{- if not .clusterScoped }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "tieline.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tieline.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Settings of a process as TIELINE_… variables: lists with commas between, maps as key=value with commas between, the rest
as JSON has it (toString would write 33554432 as 3.3554432e+07).
*/}}
{{- define "tieline.settings" -}}
{{- range $name, $value := . }}
{{- $text := toString $value }}
{{- if kindIs "slice" $value }}
{{- $text = join "," $value }}
{{- else if kindIs "map" $value }}
{{- $pairs := list }}
{{- range $key, $count := $value }}{{ $pairs = append $pairs (printf "%s=%s" $key (toJson $count)) }}{{ end }}
{{- $text = join "," $pairs }}
{{- else if not (kindIs "string" $value) }}
{{- $text = toJson $value }}
{{- end }}
- {name: TIELINE_{{ snakecase $name | upper }}, value: {{ quote $text }}}
{{- end }}
{{- end }}

{{/* All variables of a container after those that the chart sets. Call with values of the operator or of a router class. */}}
{{- define "tieline.env" -}}
{{- include "tieline.settings" .settings }}
{{- range .extraEnv }}
{{- if hasPrefix "TIELINE_" .name }}
{{- fail (printf "extraEnv: %s is one of Tieline's own variables, which would be set twice: use settings.%s" .name (.name | trimPrefix "TIELINE_" | lower | camelcase | untitle)) }}
{{- end }}
{{- end }}
{{- with .extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Pod Security "restricted", for the pod. */}}
{{- define "tieline.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAs.user }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.runAs.group }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Pod Security "restricted", for a container. */}}
{{- define "tieline.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Placement of a pod, from values of the operator or of a router class. */}}
{{- define "tieline.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* All router classes with their defaults filled in, as JSON: class → values. */}}
{{- define "tieline.routers" -}}
{{- $routers := dict }}
{{- range $class, $own := .Values.routers }}
{{- if not (kindIs "invalid" $own) }}
{{- $router := mustMergeOverwrite (deepCopy $.Values.router) $own }}
{{- if hasSuffix "-fleet" $class }}
{{- fail (printf "routers.%s: a class cannot end with -fleet, which names the fleets' own Services; choose another name" $class) }}
{{- end }}
{{- if and $router.state.claim.create $router.state.existingClaim }}
{{- fail (printf "routers.%s.state: existingClaim and claim.create exclude one another; unset one" $class) }}
{{- end }}
{{- $_ := set $routers $class $router }}
{{- end }}
{{- end }}
{{- toJson $routers }}
{{- end }}

{{/* Namespaces that get a Role of their own: those watched and the release's; nothing when all are watched. */}}
{{- define "tieline.servedNamespaces" -}}
{{- if .Values.watchNamespaces }}
{{- append .Values.watchNamespaces .Release.Namespace | uniq | sortAlpha | toJson }}
{{- else }}
{{- list | toJson }}
{{- end }}
{{- end }}
