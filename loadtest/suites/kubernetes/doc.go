// Package kubernetes has only tests. They run a Kubernetes cluster of two nodes in namespaces, install the
// chart, enforce its policies, let autoscalers follow, send the site a load through its Service, roll, evict,
// drain, kill and scale its pods, and add 2,000 renderers.
package kubernetes
