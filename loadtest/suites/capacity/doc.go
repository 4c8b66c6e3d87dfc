// Package capacity holds the simulator against the cluster: edges, coordinator, NATS and
// renderers that sleep for the times that the simulated ones take. `make validate-capacity`
// prints how far waits and refusals are apart.
package capacity
