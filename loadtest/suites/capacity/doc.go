// Package capacity compares the simulator with the cluster: edges, coordinator, NATS, and renderers
// that sleep for the simulated times. `make validate-capacity` prints the differences of waits and
// refusals.
package capacity
