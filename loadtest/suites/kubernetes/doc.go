// Package kubernetes has only tests. They run a Kubernetes cluster of one node in namespaces, install the
// chart, send the site a load through its Service, and roll, evict, kill and scale its pods.
package kubernetes
