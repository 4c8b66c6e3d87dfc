package faults

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

// clock starts a role with a wrong clock, which then steps to the right time and back.
func clock(name string, by time.Duration) fault {
	what := map[bool]string{true: "ahead", false: "behind"}[by > 0]
	limits := map[string]int{"coordinator-1": 2}[name] // the role restarts for it
	return fault{name: fmt.Sprintf("the clock of %s is %v %s, right, and wrong again", name, by.Abs(), what), limits: limits, do: func(s *site) {
		p := s.parts[name]
		command, env := p.command, p.env
		role, _, _ := strings.Cut(name, "-")
		s.step(by)
		p.command, p.env = []string{filepath.Join(s.path("skewed"), role)}, append(slices.Clone(env), skew+"="+s.path(skew))
		p.restart()
		for _, is := range []time.Duration{by, 0, by} {
			s.step(is)
			if got := time.Until(s.clockOf(name)); (got - is).Abs() > 30*time.Second {
				s.t.Errorf("the role's clock is wrong by %v, want %v", got, is)
			}
			visitors.Lasts(3 * time.Second)
		}
		p.command, p.env = command, env
		p.restart()
	}}
}

// skew is the file with the seconds that the roles' clocks are ahead.
const skew = "SKEW"

// buildSkewed builds the roles with a time.Now that adds the seconds in the file SKEW to the kernel's time.
func (s *site) buildSkewed() {
	s.t.Helper()
	const asks = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	build(s.t, s.root, s.path("skewed"), ours(), s.patched("time/time.go", map[string]string{asks: asks + "\tif told != nil {\n\t\tsec += *told\n\t}\n"}, skew, "")...)
}

// clockOf returns the time of a role's clock.
func (s *site) clockOf(name string) time.Time {
	s.t.Helper()
	response, err := http.Get("http://" + s.address[name+" admin"] + "/healthz")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		s.t.Error(err)
	}
	return at
}

// step sets the clocks of the skewed programs.
func (s *site) step(by time.Duration) { s.tell(skew, int64(by.Seconds())) }
