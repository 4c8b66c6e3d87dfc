{{- /* Changes of an object of this folder's files. Each template gets a dict with the object and the
root, and changes the object in place. */ -}}

{{- /* The settings of all roles. */ -}}
{{- define "thumbmill.settings" -}}
{{- mergeOverwrite (.Files.Get "site.yaml" | fromYaml) .Values.settings | toYaml -}}
{{- end -}}

{{- define "thumbmill.workload" -}}
{{- $values := index .root.Values (trimPrefix "thumbmill-" .object.metadata.name) -}}
{{- if not (kindIs "invalid" $values.replicas) }}{{ $_ := set .object.spec "replicas" $values.replicas }}{{ end -}}
{{- $template := .object.spec.template -}}
{{- $_ := set $template.metadata.labels "app.kubernetes.io/part-of" "thumbmill" -}}
{{- $_ := set $template.metadata.annotations "checksum/settings" (include "thumbmill.settings" .root | sha256sum) -}}
{{- range $template.spec.volumes }}{{ if .secret }}{{ $_ := set .secret "secretName" $.root.Values.secret }}{{ end }}{{ end -}}
{{- $container := first $template.spec.containers -}}
{{- $_ := set $container "image" (printf "%s/%s:%s" .root.Values.image.registry $container.image .root.Values.image.tag) -}}
{{- $_ := mergeOverwrite $container.resources $values.resources -}}
{{- $env := list -}}
{{- range $container.env }}{{ if not (hasKey $values.env .name) }}{{ $env = append $env . }}{{ end }}{{ end -}}
{{- range $name, $value := $values.env }}{{ $env = append $env (dict "name" $name "value" $value) }}{{ end -}}
{{- $_ := set $container "env" $env -}}
{{- $_ := mergeOverwrite $template.spec $values.pod -}}
{{- end -}}

{{- define "thumbmill.policy" -}}
{{- $namespaces := .root.Values.network.namespaces -}}
{{- $outside := .root.Values.network.outside -}}
{{- $store := .root.Values.network.store -}}
{{- range $rule := concat (.object.spec.ingress | default list) (.object.spec.egress | default list) -}}
{{- range $peer := concat ($rule.from | default list) ($rule.to | default list) -}}
{{- if $peer.namespaceSelector -}}
{{- $labels := $peer.namespaceSelector.matchLabels -}}
{{- $name := index $labels "kubernetes.io/metadata.name" | replace "kube-system" "dns" -}}
{{- if hasKey $outside $name -}}
{{- $_ := unset $peer "namespaceSelector" -}}
{{- $_ := set $peer "ipBlock" (dict "cidr" (index $outside $name)) -}}
{{- else -}}
{{- $_ := set $labels "kubernetes.io/metadata.name" (index $namespaces $name) -}}
{{- end -}}
{{- else if $peer.ipBlock -}}
{{- if ne $store.cidr "0.0.0.0/0" }}{{ $_ := set $peer "ipBlock" (dict "cidr" $store.cidr) }}{{ end -}}
{{- $_ := set $rule "ports" (list (dict "port" $store.port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The renderers' number, which only the autoscaler sets: an upgrade keeps the present one. */ -}}
{{- define "thumbmill.scaled" -}}
{{- $present := lookup "apps/v1" "Deployment" .root.Release.Namespace .object.metadata.name -}}
{{- if $present }}{{ $_ := set .object.spec "replicas" (int $present.spec.replicas) }}{{ else }}{{ $_ := unset .object.spec "replicas" }}{{ end -}}
{{- end -}}

{{- define "thumbmill.scaler" -}}
{{- $by := .root.Values.autoscaling -}}
{{- if eq .object.kind "ScaledObject" -}}
{{- $_ := set .object.spec "minReplicaCount" $by.min -}}
{{- $_ := set .object.spec "maxReplicaCount" $by.max -}}
{{- $_ := set (first .object.spec.triggers).metadata "serverAddress" $by.prometheus -}}
{{- else -}}
{{- $_ := set .object.spec "minReplicas" $by.min -}}
{{- $_ := set .object.spec "maxReplicas" $by.max -}}
{{- end -}}
{{- end -}}
