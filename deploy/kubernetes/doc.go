// Package kubernetes has no code: its tests build the manifests here as kustomize does, and
// hold each to Kubernetes' own types and to what it is to do.
package kubernetes
