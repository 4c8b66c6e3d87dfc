package packages

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

// TestPackages runs the site of two machines as their packages install it.
func TestPackages(t *testing.T) {
	available(t)
	s := newSite(t)
	for _, m := range s.machines {
		m.alone()
		m.install()
		for _, role := range roles() {
			m.ready(role)
		}
	}
	for _, m := range s.machines {
		t.Run(m.name, func(t *testing.T) {
			s.use(t)
			for _, role := range roles() {
				m.hardened(role)
			}
			m.logs()
			m.sandboxed("thumbmill-renderer")
		})
	}
	s.use(t)
	s.breaks()
	for _, m := range s.machines {
		m.purged()
	}
}

// use assigns later failures to a test.
func (s *site) use(t *testing.T) {
	s.t = t
	for _, m := range s.machines {
		m.t = t
	}
}

func available(t *testing.T) {
	if os.Getenv("THUMBMILL_PACKAGES") == "" {
		t.Skip("machines with systemd run only in `make test-packages`")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can boot a machine in namespaces")
	}
	for _, program := range []string{"debootstrap", "lintian", "apt-ftparchive", "gpg", "ip", "nsenter", "unshare", "memcached"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: run `make test-packages`", program)
		}
	}
	if out, err := exec.Command("findmnt", "--noheadings", "--types", "cgroup2").Output(); err != nil || len(out) == 0 {
		t.Skip("this machine mounts no cgroup2: systemd 257 needs it")
	}
}

// exposure returns the most that systemd's judgement of a unit may be, from 0 to 10.
func exposure(unit string) float64 {
	return map[string]float64{"thumbmill-edge": 2, "thumbmill-coordinator": 2, "thumbmill-renderer": 2.3, "thumbmill": 2.3}[unit]
}

// hardened checks that systemd runs a service with the rights that its unit leaves, and knows every setting of the unit.
func (m *machine) hardened(unit string) {
	m.t.Helper()
	level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)
	out := m.run("systemd-analyze", "security", "--no-pager", unit)
	found := level.FindStringSubmatch(out)
	if found == nil {
		m.t.Fatalf("%s: %s", unit, out)
	}
	if got, _ := strconv.ParseFloat(found[1], 64); got > exposure(unit) {
		m.t.Errorf("%s has exposure %s, at most %.1f is allowed\n%s", unit, found[1], exposure(unit), out)
	}
	m.t.Logf("%s: exposure %s", unit, found[1])
	if out := m.run("systemd-analyze", "verify", "/lib/systemd/system/"+unit+".service"); out != "" {
		m.t.Errorf("systemd on the unit of %s: %s", unit, out)
	}
	status := m.run("cat", "/proc/"+m.property(unit, "MainPID")+"/status")
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(status, want) {
			m.t.Errorf("the process of %s lacks %q:\n%s", unit, want, status)
		}
	}
}

// logs checks that the journal has the lines' fields.
func (m *machine) logs() {
	m.t.Helper()
	for _, role := range roles() {
		line := m.run("journalctl", "--unit", role, "--output", "json", "--lines", "1", "ROLE="+strings.TrimPrefix(role, "thumbmill-"), "MESSAGE=ready")
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["ADMIN"] == nil || entry["PRIORITY"] != "6" || entry["SYSLOG_IDENTIFIER"] != role {
			m.t.Errorf("the journal has no fields of %s: %v %s", role, err, line)
		}
	}
}

// sandboxed checks that a unit lets its service confine workers.
func (m *machine) sandboxed(unit string) {
	m.t.Helper()
	layers := m.run("journalctl", "--unit", unit, "--output", "cat", "--output-fields", "LAYERS", "--lines", "1", "MESSAGE=confine workers")
	if layers != "[no_new_privs rlimits user landlock seccomp]" {
		m.t.Errorf("the workers of %s have the layers %s", unit, layers)
	}
}

// fault is a change of the site under load. No request may fail.
type fault struct {
	name string
	do   func(s *site, m *machine)
}

func faults() []fault {
	all := []fault{{"nothing", func(*site, *machine) {}}}
	for _, role := range roles() {
		all = append(all,
			fault{"SIGKILL to " + role, func(_ *site, m *machine) { m.killed(role) }},
			fault{"systemctl restart " + role, func(_ *site, m *machine) { m.restarted(role) }},
		)
	}
	return append(all,
		fault{"thumbmill-edge hangs until its watchdog kills it", func(_ *site, m *machine) { m.hangs("thumbmill-edge") }},
		fault{"upgrade of both machines", func(s *site, _ *machine) { s.change(second) }},
		fault{"rollback of both machines", func(s *site, _ *machine) { s.change(first) }},
	)
}

// restarts waits until systemd has started a service anew, with another process.
func (m *machine) restarts(role, was string) {
	m.t.Helper()
	eventually.Succeeds(m.t, 2*starts, "systemd starts "+role+" again", func() error {
		out, err := m.command("systemctl", "show", "--property", "MainPID,ActiveState", role).Output()
		if text := string(out); err == nil && (strings.Contains(text, "MainPID="+was+"\n") || strings.Contains(text, "MainPID=0\n") || !strings.Contains(text, "ActiveState=active")) {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
	m.ready(role)
}

func (m *machine) killed(role string) {
	m.t.Helper()
	was := m.property(role, "MainPID")
	m.run("sh", "-c", "kill -KILL "+was)
	m.restarts(role, was)
}

func (m *machine) hangs(role string) {
	m.t.Helper()
	was := m.property(role, "MainPID")
	m.run("sh", "-c", "kill -STOP "+was)
	m.restarts(role, was)
	if log := m.run("journalctl", "--unit", role, "--output", "cat"); !strings.Contains(log, "Watchdog timeout") {
		m.t.Errorf("systemd names no watchdog: %s", log)
	}
}

// restarted checks that a service ends by itself when it is told to, with success.
func (m *machine) restarted(role string) {
	m.t.Helper()
	m.run("systemctl", "stop", role)
	if result, status := m.property(role, "Result"), m.property(role, "ExecMainStatus"); result != "success" || status != "0" {
		m.t.Errorf("%s ended with %s, status %s", role, result, status)
	}
	m.run("systemctl", "start", role)
	m.ready(role)
}

// change upgrades or rolls back each machine in turn. The site's settings stay.
func (s *site) change(version string) {
	s.t.Helper()
	const mine = "sha256sum /etc/thumbmill.d/* /etc/default/thumbmill-*"
	for _, m := range s.machines {
		settings := m.run("sh", "-c", mine)
		for _, role := range roles() {
			was := m.property(role, "MainPID")
			m.change(version, role)
			m.restarts(role, was)
		}
		m.change(version, "thumbmill")
		if now := m.run("sh", "-c", mine); now != settings {
			s.t.Errorf("version %s changed the settings of %s:\n%s\n%s", version, m.name, settings, now)
		}
		if got := m.run("dpkg-query", "--show", "--showformat", "${Version}", "thumbmill-edge"); got != version {
			s.t.Errorf("%s has version %s, want %s", m.name, got, version)
		}
	}
}

// breaks causes all faults in turn under load.
func (s *site) breaks() {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "fault\trequests\tfailed\tslowest\tmet")
	l, t := s.visitors(), s.t
	for i, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			s.use(t)
			l.Use(t)
			l.Begin()
			l.AwaitAnswers(2, time.Now())
			f.do(s, s.machines[i%2])
			ended := time.Now()
			l.AwaitAnswers(4, ended)
			o := l.End()
			visitors.Budget{}.Hold(t, o, ended)
			_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%.1f s\t%v\n", f.name, o.Requests, o.Failed, o.Slowest.Seconds(), map[bool]string{true: "no", false: "yes"}[t.Failed()])
		})
	}
	s.use(t)
	_ = table.Flush()
	t.Log("\n" + out.String())
}

// purged checks that a removal stops the services and forgets that they start at boot, and that a purge
// leaves the site's settings of the folder that all roles share.
func (m *machine) purged() {
	m.t.Helper()
	m.run(append([]string{"apt-get", "purge", "--yes", "thumbmill"}, roles()...)...)
	for _, role := range roles() {
		if out, err := m.command("sh", "-c", "systemctl is-active "+role+" || find /etc/systemd/system /etc/default -name '"+role+"*' | grep .").CombinedOutput(); err == nil {
			m.t.Errorf("%s is left on %s: %s", role, m.name, out)
		}
	}
	m.run("test", "-e", "/etc/thumbmill.d/20-site.yaml")
}
