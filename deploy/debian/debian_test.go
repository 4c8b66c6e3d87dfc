package debian

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/embedded"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func packages() []string {
	return []string{"thumbmill-coordinator", "thumbmill-edge", "thumbmill-renderer", "thumbmill"}
}

// machine is a copy of this machine's file system, as an overlay over /. Installed files go with
// the test.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	return machine{t, servers.Overlay(t, "/proc", "/dev", "/sys", "/tmp")}
}

// command makes a command that runs in the copy.
func (m machine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root, Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (m machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.command(name, args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (m machine) has(path string) bool {
	_, err := os.Stat(m.root + path)
	return err == nil
}

// build makes the packages of a version.
func build(t *testing.T, version string) (files []string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("./build", dir, version).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range packages() {
		found, _ := filepath.Glob(filepath.Join(dir, name+"_"+version+"*.deb"))
		if len(found) != 1 {
			t.Fatalf("%s: %v", name, found)
		}
		files = append(files, found[0])
	}
	return files
}

// unit returns the settings of a systemd unit.
func (m machine) unit(name string) map[string]string {
	m.t.Helper()
	text, err := os.ReadFile(m.root + "/lib/systemd/system/" + name + ".service")
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			all[key] = value
		}
	}
	return all
}

// defaults returns the variables that a role's file in /etc/default sets, and the ones that it
// shows in comments behind the prefix.
func (m machine) defaults(name, prefix string) (env []string) {
	m.t.Helper()
	text, err := os.ReadFile(m.root + "/etc/default/" + name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimPrefix(line, prefix); strings.HasPrefix(line, settings.EnvPrefix) {
			env = append(env, strings.TrimSpace(line))
		}
	}
	return env
}

// service is a unit's process. It reports its state to a socket, as it does to systemd.
type service struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	output bytes.Buffer
	told   *net.UnixConn
}

// start runs a unit's command as its user, with additional variables in its environment.
func (m machine) start(name string, env ...string) *service {
	m.t.Helper()
	u := m.unit(name)
	s := &service{t: m.t, name: name}
	socket := filepath.Join(m.t.TempDir(), "notify")
	var err error
	if s.told, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = s.told.Close() })
	for dir := socket; dir != "/tmp"; dir = filepath.Dir(dir) { // the service is another user
		if err := os.Chmod(dir, 0o777); err != nil {
			m.t.Fatal(err)
		}
	}
	command := strings.Fields(u["ExecStart"])
	s.cmd = m.command(command[0], command[1:]...)
	s.cmd.SysProcAttr.Credential = m.account(u["User"])
	s.cmd.Dir = u["WorkingDirectory"]
	for _, dir := range []string{"/run/" + u["RuntimeDirectory"], "/var/lib/" + u["StateDirectory"]} { // as systemd makes them
		if err := os.MkdirAll(m.root+dir, 0o755); err != nil {
			m.t.Fatal(err)
		}
		if err := os.Chown(m.root+dir, int(s.cmd.SysProcAttr.Credential.Uid), -1); err != nil {
			m.t.Fatal(err)
		}
	}
	s.cmd.Env = append([]string{"PATH=/usr/bin:/bin", "NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=1000000"}, strings.Fields(strings.ReplaceAll(u["Environment"], "%t", "/run"))...)
	s.cmd.Env = append(append(s.cmd.Env, m.defaults(name, "")...), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	s.cmd.Env = nil
	s.tells("READY=1")
	s.tells("WATCHDOG=1")
	return s
}

// account returns the credential of a user of the machine.
func (m machine) account(name string) *syscall.Credential {
	m.t.Helper()
	fields := strings.Split(m.run("getent", "passwd", name), ":")
	uid, err := strconv.ParseUint(fields[2], 10, 32)
	gid, err2 := strconv.ParseUint(fields[3], 10, 32)
	if errors.Join(err, err2) != nil || uid == 0 {
		m.t.Fatalf("%v", fields)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// tells waits until the service has reported the wanted state.
func (s *service) tells(want string) {
	s.t.Helper()
	_ = s.told.SetReadDeadline(time.Now().Add(30 * time.Second))
	for message := make([]byte, 4096); ; {
		n, err := s.told.Read(message)
		if err != nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
			s.t.Fatalf("%s does not report %s: %v\n%s", s.name, want, err, s.output.String())
		}
		if slices.Contains(strings.Split(string(message[:n]), "\n"), want) {
			return
		}
	}
}

// stop ends the service as systemd does.
func (s *service) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	s.tells("STOPPING=1")
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("%s: %v\n%s", s.name, err, s.output.String())
	}
}

// The packages install, start, upgrade, and leave nothing when they are purged.
func TestPackages(t *testing.T) {
	if os.Getenv("THUMBMILL_PACKAGES") == "" {
		t.Skip("THUMBMILL_PACKAGES is not set: `make test-packages` runs this test for some minutes")
	}
	m := newMachine(t)
	if _, err := user.Lookup("thumbmill"); err == nil {
		t.Skip("thumbmill is installed on this machine")
	}
	first, second := build(t, "1.0.0"), build(t, "1.1.0")
	installable(t, first)
	m.run("dpkg", append([]string{"--install", "--force-depends"}, first...)...)
	m.verify()
	m.serve()
	m.roles()
	m.site()

	mine := "/etc/thumbmill.d/90-mine.yaml"
	if err := os.WriteFile(m.root+mine, []byte("log: {level: warn}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.run("dpkg", append([]string{"--install", "--force-depends"}, second...)...)
	if got := m.run("dpkg-query", "-W", "-f", "${Version}", "thumbmill"); got != "1.1.0" || !m.has(mine) {
		t.Errorf("after the upgrade: %s, own settings kept: %v", got, m.has(mine))
	}
	m.run("dpkg", append([]string{"--remove"}, packages()...)...)
	if m.has("/usr/bin/thumbmill") || m.has("/lib/systemd/system/thumbmill.service") || !m.has(mine) {
		t.Error("after the removal: the program is left, or the own settings are gone")
	}
	m.run("dpkg", append([]string{"--purge"}, packages()...)...)
	if m.has("/var/lib/thumbmill/thumbnails") || !m.has("/var/lib/thumbmill/originals") {
		t.Error("after the purge: thumbnails are left, or originals are gone")
	}
}

// installable checks that apt finds all dependencies in Debian on a machine with no packages, and
// that the dependencies include every library of the programs.
func installable(t *testing.T, files []string) {
	t.Helper()
	nothing := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(nothing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("apt-get", "update", "-qq")
	for _, file := range files {
		comes := run("apt-get", "-o", "Dir::State::status="+nothing, "--no-install-recommends", "--simulate", "install", file)
		dir := t.TempDir()
		run("dpkg", "--extract", file, dir)
		programs, _ := filepath.Glob(dir + "/usr/bin/*")
		libraries, _ := exec.Command("ldd", programs...).Output() // ldd fails for programs without libraries
		found := owners(t, regexp.MustCompile(`=> (/\S+)`).FindAllStringSubmatch(string(libraries), -1))
		for library, of := range found {
			if !strings.Contains(comes, "Inst "+of+" ") {
				t.Errorf("%s needs %s of %q, which is not among its dependencies", filepath.Base(file), library, of)
			}
		}
	}
}

// owners returns the package of each library, by its path below /usr. Packages name some paths without /usr. Each search
// reads the lists of all packages, so one search has all paths.
func owners(t *testing.T, libraries [][]string) map[string]string {
	t.Helper()
	all, search := map[string]string{}, []string{"--search"}
	for _, library := range libraries {
		path, err := filepath.EvalSymlinks(library[1])
		if err != nil {
			t.Fatal(err)
		}
		path = strings.TrimPrefix(path, "/usr")
		all[path] = ""
		search = append(search, path, "/usr"+path)
	}
	out, _ := exec.Command("dpkg", search...).Output() // it fails because half of the paths do not exist
	for line := range strings.Lines(string(out)) {
		of, path, _ := strings.Cut(strings.TrimSpace(line), ": ")
		all[strings.TrimPrefix(path, "/usr")], _, _ = strings.Cut(of, ":")
	}
	return all
}

// verify checks the units with systemd's own tools.
func (m machine) verify() {
	m.t.Helper()
	exposure := regexp.MustCompile(`(?m)^.*Overall exposure level for \S+: ([0-9.]+)`)
	for _, name := range packages() {
		unit := "/lib/systemd/system/" + name + ".service"
		m.run("systemd-analyze", "verify", unit)
		out := m.run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
		found := exposure.FindStringSubmatch(out)
		if found == nil {
			m.t.Fatalf("%s: %s", name, out)
		}
		if level, _ := strconv.ParseFloat(found[1], 64); level > 3 {
			m.t.Errorf("%s: exposure %s of 10\n%s", name, found[1], out)
		}
	}
}

// serve starts the whole cluster as the documentation does after the installation.
func (m machine) serve() {
	m.t.Helper()
	address := servers.FreeAddress(m.t)
	picture, err := os.ReadFile(filepath.Join("..", "..", "docs", "images", "operators-page.png"))
	if err == nil {
		err = os.WriteFile(m.root+"/var/lib/thumbmill/originals/a.png", picture, 0o644)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	s := m.start("thumbmill", "THUMBMILL_EDGE_LISTEN="+address, "THUMBMILL_ADMIN_LISTEN="+servers.FreeAddress(m.t), "THUMBMILL_COORDINATOR_LISTEN="+servers.FreeAddress(m.t))
	response, err := http.Get("http://" + address + "/unsafe/100x/a.png")
	if err != nil {
		m.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		m.t.Errorf("a thumbnail: %s\n%s", response.Status, s.output.String())
	}
	s.stop()
}

// site configures one of several machines as the examples show. Each role can read its own settings
// and no other role's secrets, and all three have different listeners.
func (m machine) site() {
	m.t.Helper()
	m.run("sed", "-i", `s/^#\([a-z]\|  \)/\1/`, "/etc/thumbmill.d/20-site.yaml")
	secret := regexp.MustCompile(`/etc/thumbmill/\S+`)
	admins := map[string]bool{}
	for _, name := range packages()[:3] {
		user, env := m.unit(name)["User"], m.defaults(name, "#")
		if info, err := os.Stat(m.root + "/etc/default/" + name); err != nil || info.Mode().Perm() != 0o640 {
			m.t.Errorf("everybody can read the secrets of %s: %v %v", name, info, err)
		}
		for _, file := range secret.FindAllString(strings.Join(env, "\n"), -1) {
			if m.has(file) {
				continue // the same role's, with another purpose
			}
			m.run("sh", "-c", "umask 077; openssl rand -hex 32 > "+file+" && chown "+user+" "+file)
		}
		check := m.command("/usr/bin/thumbmill", "config", "check", "/etc/thumbmill.d")
		check.Env = env
		check.SysProcAttr.Credential = m.account(user)
		if out, err := check.CombinedOutput(); err != nil {
			m.t.Errorf("%s, with the settings of the examples: %v\n%s", name, err, out)
		}
		for _, v := range env {
			if strings.HasPrefix(v, "THUMBMILL_ADMIN_LISTEN=") && admins[v] {
				m.t.Errorf("%s has the %s of another role", name, v)
			} else if strings.HasPrefix(v, "THUMBMILL_ADMIN_LISTEN=") {
				admins[v] = true
			}
		}
	}
	if len(admins) != 3 {
		m.t.Errorf("listeners for operators: %v", admins)
	}
	m.run("rm", "/etc/thumbmill.d/20-site.yaml")
}

// roles starts the roles by their units. They render together.
func (m machine) roles() {
	m.t.Helper()
	nats, err := embedded.New("127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = nats.Stop(context.Background()) }()
	coordinator, address := servers.FreeAddress(m.t), servers.FreeAddress(m.t)
	shared := m.root + "/var/lib/thumbmill/shared"
	if err = os.Mkdir(shared, 0o777); err == nil {
		err = os.Chmod(shared, 0o777) // two users write there
	}
	if err != nil {
		m.t.Fatal(err)
	}
	env := func() []string {
		return []string{
			"THUMBMILL_NATS_URL=" + nats.URL(), "THUMBMILL_COORDINATOR_SERVERS=" + coordinator, "THUMBMILL_COORDINATOR_LISTEN=" + coordinator,
			"THUMBMILL_EDGE_LISTEN=" + address, "THUMBMILL_ADMIN_LISTEN=" + servers.FreeAddress(m.t),
			"THUMBMILL_STORE_THUMBNAILS_PATH=/var/lib/thumbmill/shared",
		}
	}
	var running []*service
	for _, name := range packages()[:3] {
		running = append(running, m.start(name, env()...))
	}
	client := http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + address + "/unsafe/120x/a.png")
	if err != nil {
		m.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		m.t.Errorf("a thumbnail of the roles: %s", response.Status)
	}
	for _, s := range slices.Backward(running) {
		s.stop()
	}
}
