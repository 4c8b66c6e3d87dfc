// Package telemetry tests thumbmill's traces with a collector, its metrics against conventions, and
// its dashboards and alerts with a real Prometheus.
package telemetry
