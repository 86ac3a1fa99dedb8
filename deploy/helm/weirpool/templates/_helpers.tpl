{{- define "weirpool.labels" -}}
app.kubernetes.io/name: weirpool
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
