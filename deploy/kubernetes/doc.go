// Package kubernetes has only tests. They build the manifests of this folder as kustomize does, and
// check them against Kubernetes' own types and against each other.
package kubernetes
