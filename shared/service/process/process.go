// Package process is the frame of a process around its roles: the operators' listener, whose first
// answer already says whether the roles are ready, and a socket for debugging. The commands of the
// roles and thumbmill serve run in such a process.
package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/footprint"
	"github.com/thumbmill/thumbmill/shared/operators/listener"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/service/debug"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Role is a role as its process runs it.
type Role struct {
	Part service.Part
	// Ready returns the reason why the started role is not ready. nil means that a started role is
	// always ready.
	Ready func() error
	// Jobs returns the jobs under way, for debugging. nil means that the role has no jobs.
	Jobs func() any
	// API serves operators, at Paths of the operators' listener.
	API   http.Handler
	Paths []string
	// Addresses are the role's addresses in use, by name.
	Addresses map[string]string
}

// Process is one process. Callers add parts and roles in the order of their start, all before Run.
type Process struct {
	Log       *slog.Logger
	ready     *readiness.Checks
	operators *listener.Listener
	parts     service.Parts
	stop      time.Duration // bounds a clean stop

	mu        sync.Mutex
	addresses map[string]string
	jobs      func() any
}

// New makes a process without roles, and binds the operators' listener. The socket for debugging can
// change level, the level of the log.
func New(name string, s settings.Settings, log *slog.Logger, level *slog.LevelVar) (*Process, error) {
	p := &Process{Log: log, ready: readiness.New(), stop: s.Deadline().Stop(), addresses: map[string]string{}}
	var err error
	if p.operators, err = listener.New(s.Admin, p.ready, log); err != nil {
		return nil, err
	}
	p.addresses["admin"] = p.operators.URL()
	p.parts = service.Parts{p.operators}
	if socket, err := debug.New(name, level, p.underWay, log); err != nil { // as in a container with a read-only root
		log.Warn("run without a socket for debugging", "reason", err)
	} else {
		p.parts = append(p.parts, socket)
	}
	return p, nil
}

// Metrics returns the registry for the metrics of roles.
func (p *Process) Metrics() prometheus.Registerer { return p.operators.Metrics() }

// TokenFile returns the path of the file with the operators' token, or "" without a token.
func (p *Process) TokenFile() string { return p.operators.TokenFile() }

// Announce adds an address in use, by its name.
func (p *Process) Announce(name, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addresses[name] = address
}

// AddPart adds a part that is made after the parts before it have started.
func (p *Process) AddPart(make func() (service.Part, error)) {
	p.parts = append(p.parts, service.Lazy(make))
}

// AddRole adds a role that is made after all earlier parts have started. The process is not ready
// before the role is.
func (p *Process) AddRole(name string, make func() (Role, error)) {
	p.ready.Expect(name)
	p.AddPart(func() (service.Part, error) {
		role, err := make()
		if err != nil {
			return nil, err
		}
		p.join(role)
		return started{role.Part, func() { p.ready.Started(name, role.Ready) }}, nil
	})
}

// join makes the role visible to operators.
func (p *Process) join(role Role) {
	for _, path := range role.Paths {
		p.operators.Handle(path, role.API)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.addresses, role.Addresses)
	if role.Jobs != nil {
		p.jobs = role.Jobs
	}
}

// underWay returns the jobs of the process's roles.
func (p *Process) underWay() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs == nil {
		return []any{}
	}
	return p.jobs()
}

// Run runs the process until a signal. After all parts have started, it calls ready with the addresses
// in use.
func (p *Process) Run(ready func(addresses map[string]string)) error {
	return service.Run(p.parts, p.stop, p.Log, func() {
		footprint.AfterStart()
		ready(p.announced())
	}, p.ready.Leave)
}

// announced logs and returns the addresses in use.
func (p *Process) announced() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var fields []any
	for _, name := range slices.Sorted(maps.Keys(p.addresses)) {
		fields = append(fields, name, p.addresses[name])
	}
	p.Log.Info("ready", fields...)
	return maps.Clone(p.addresses)
}

// PrintAddresses prints addresses as one line of JSON, as --print-addresses does.
func PrintAddresses(out io.Writer, addresses map[string]string) {
	line, _ := json.Marshal(addresses) // only strings
	_, _ = fmt.Fprintf(out, "%s\n", line)
}

// started is a part that reports its start.
type started struct {
	part service.Part
	say  func()
}

func (s started) Start(ctx context.Context) error {
	if err := s.part.Start(ctx); err != nil {
		return err
	}
	s.say()
	return nil
}

func (s started) Stop(ctx context.Context) error { return s.part.Stop(ctx) }
