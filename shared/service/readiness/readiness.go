// Package readiness says whether every role of a process is ready, and what it waits for.
//
// A role is named before the operators' listener opens. Until the role has started it is
// "starting"; from then on it answers for itself.
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
	errNoRole   = errors.New("no role is named yet")
	errStarting = errors.New("starting")
	errStopping = errors.New("stopping")
)

// Checks are the roles of a process, with the check of each.
type Checks struct {
	mu      sync.Mutex
	roles   map[string]func() error // nil: it has not started
	leaving bool
}

// New makes checks of no role, which is not ready.
func New() *Checks { return &Checks{roles: map[string]func() error{}} }

// Expect names a role that will be started.
func (c *Checks) Expect(role string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[role] = nil
}

// Started says that a role has started; check says from now on what keeps it from being
// ready. Without a check it is ready.
func (c *Checks) Started(role string, check func() error) {
	if check == nil {
		check = func() error { return nil }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[role] = check
}

// Leave makes Err fail from now on: the process is stopping.
func (c *Checks) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
}

// Err is every reason why the process is not ready, each with its role, or nil.
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

// ServeHTTP answers 200 when the process is ready, else 503 with the reasons, one a line.
func (c *Checks) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if err := c.Err(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}
