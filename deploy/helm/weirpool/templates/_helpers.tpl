{{- define "weirpool.labels" -}}
app.kubernetes.io/name: weirpool
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Of every object: the release's name, with -weirpool behind it where that is the application's. */ -}}
{{- define "weirpool.name" -}}
{{- if contains "weirpool" .Release.Name -}}
{{ .Release.Name }}
{{- else -}}
{{ printf "%s-weirpool" .Release.Name }}
{{- end -}}
{{- end -}}
