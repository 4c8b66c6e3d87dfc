// Package process is what a process of thumbmill has around its roles: the operators'
// listener, which says from its first answer on whether they are ready, and a socket for
// debugging.
//
// The commands of the roles and thumbmill serve run in such a process.
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

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/operators/listener"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/service/debug"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Role is a role that was made, as its process runs it.
type Role struct {
	Part service.Part
	// Ready says what keeps the role from being ready once it has started; nil: nothing.
	Ready func() error
	// Jobs are those under way, for debugging; nil: it has none.
	Jobs func() any
	// API is what operators ask of it, at Paths of the operators' listener.
	API   http.Handler
	Paths []string
	// Addresses are those that it uses, by name.
	Addresses map[string]string
}

// Process is one process. Parts and roles are added in the order in which they start, all
// before Run.
type Process struct {
	Log       *slog.Logger
	ready     *readiness.Checks
	operators *listener.Listener
	parts     service.Parts

	mu        sync.Mutex
	addresses map[string]string
	jobs      func() any
}

// New makes a process of no role, and binds the operators' listener. level changes the
// log's.
func New(name string, s settings.Admin, log *slog.Logger, level *slog.LevelVar) (*Process, error) {
	p := &Process{Log: log, ready: readiness.New(), addresses: map[string]string{}}
	var err error
	if p.operators, err = listener.New(s, p.ready, log); err != nil {
		return nil, err
	}
	p.addresses["admin"] = p.operators.URL()
	p.parts = service.Parts{p.operators}
	if socket, err := debug.New(name, level, p.underWay, log); err != nil { // as in a container whose root is read-only
		log.Warn("there is no socket for debugging", "reason", err)
	} else {
		p.parts = append(p.parts, socket)
	}
	return p, nil
}

// Metrics is where roles register theirs.
func (p *Process) Metrics() prometheus.Registerer { return p.operators.Metrics() }

// TokenFile is the path of the file with the operators' token, or "" where there is none.
func (p *Process) TokenFile() string { return p.operators.TokenFile() }

// Announce adds an address in use, by its name.
func (p *Process) Announce(name, address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addresses[name] = address
}

// AddPart adds a part that is made when those before it have started.
func (p *Process) AddPart(make func() (service.Part, error)) {
	p.parts = append(p.parts, service.Lazy(make))
}

// AddRole adds a role that is made when what was added before it has started. The process
// is not ready before the role is.
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

// join lets operators see the role.
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

// underWay are the jobs of the process' roles.
func (p *Process) underWay() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs == nil {
		return []any{}
	}
	return p.jobs()
}

// Run runs the process until it is told to end. It calls ready with the addresses in use
// when everything has started.
func (p *Process) Run(ready func(addresses map[string]string)) error {
	return service.Run(p.parts, p.Log, func() { ready(p.announced()) }, p.ready.Leave)
}

// announced logs the addresses in use.
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
	line, _ := json.Marshal(addresses) // strings alone
	_, _ = fmt.Fprintf(out, "%s\n", line)
}

// started is a part that says when it has started.
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
