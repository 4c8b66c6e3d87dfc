// Package kubernetes has only tests. They run a Kubernetes cluster of two nodes in namespaces, install the
// chart, send the site a load through its Service, and roll, evict, drain, kill and scale its pods.
package kubernetes
