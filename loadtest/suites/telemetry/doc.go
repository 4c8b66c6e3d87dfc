// Package telemetry tests what thumbmill tells of itself: traces against a collector,
// metrics against their conventions, dashboards and alerts against a real Prometheus.
package telemetry
