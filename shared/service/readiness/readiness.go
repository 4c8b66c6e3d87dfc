// Package readiness knows whether every role of a process is ready, and the reasons why not. Callers
// name each role before the operators' listener opens. The role is "starting" until its start; from
// then on its own check decides.
package readiness

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

var (
	errNoRole   = errors.New("no role is registered yet")
	errStarting = errors.New("starting")
	errStopping = errors.New("stopping")
)

// Checks holds the roles of a process, with the check of each.
type Checks struct {
	mu      sync.Mutex
	roles   map[string]func() error // nil before the role has started
	leaving bool
}

// New makes checks without roles, which are not ready.
func New() *Checks { return &Checks{roles: map[string]func() error{}} }

// Expect registers a role that will start.
func (c *Checks) Expect(role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[role] = nil
}

// Started reports that a role has started. From now on check returns the reason why the role is not
// ready. nil means that the role is always ready.
func (c *Checks) Started(role string, check func() error) {
	if check == nil {
		check = func() error { return nil }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[role] = check
}

// Leave makes Err fail from now on, because the process is stopping.
func (c *Checks) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
}

// Err returns all reasons why the process is not ready, each with its role, or nil.
func (c *Checks) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var reasons []error
	if c.leaving {
		reasons = append(reasons, errStopping)
	}
	if len(c.roles) == 0 {
		reasons = append(reasons, errNoRole)
	}
	for _, role := range slices.Sorted(maps.Keys(c.roles)) {
		err := errStarting
		if check := c.roles[role]; check != nil {
			err = check()
		}
		if err != nil {
			reasons = append(reasons, fmt.Errorf("%s: %w", role, err))
		}
	}
	return errors.Join(reasons...)
}

// Starting reports whether a role has not started yet.
func (c *Checks) Starting() bool { return errors.Is(c.Err(), errStarting) }

// ServeHTTP answers 200 if the process is ready, else 503 with one reason on each line.
func (c *Checks) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if err := c.Err(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}
