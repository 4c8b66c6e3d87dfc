package packages

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/surroundings"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

const (
	first, second = "1.0.0", "1.1.0" // versions
	outside       = "10.87.54.1"     // NATS, Swift and visitors
	originals     = 16
)

// roles returns the services in the order of an upgrade.
func roles() []string {
	return []string{"thumbmill-renderer", "thumbmill-edge", "thumbmill-coordinator"}
}

// site is two machines with all roles, and the servers around them.
type site struct {
	t        *testing.T
	network  *namespace.Network
	machines []*machine
}

// releases returns the Debians that packages built on this machine run on.
func releases() []string {
	text, _ := os.ReadFile("/etc/os-release") // absent: not a Debian
	if strings.Contains(string(text), "VERSION_CODENAME=bookworm") {
		return []string{"bookworm", "trixie"}
	}
	return []string{"trixie", "trixie"}
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, network: namespace.NewNetwork(t)}
	s.network.Join("", outside+"/24")
	surroundings.Start(t, s.network, outside).Fill(originals)
	repository := s.repository()
	for i, suite := range releases() {
		m := boot(t, s.network, fmt.Sprintf("machine%d", i+1), suite, fmt.Sprintf("10.87.54.1%d", i))
		m.copyIn(repository, "/srv/packages")
		s.machines = append(s.machines, m)
	}
	return s
}

// copyIn copies a folder into the machine.
func (m *machine) copyIn(folder, to string) {
	m.t.Helper()
	if out, err := exec.Command("cp", "-r", folder, "/proc/"+m.init+"/root"+to).CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
}

// repository builds the packages in two versions, and an apt repository of them that a new key signs.
func (s *site) repository() string {
	s.t.Helper()
	dir := s.t.TempDir()
	keys := filepath.Join(dir, "keys")
	run := func(words ...string) {
		s.t.Helper()
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Dir = "../../.."
		cmd.Env = append(os.Environ(), "GNUPGHOME="+keys)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %v\n%s", words, err, out)
		}
	}
	if err := os.Mkdir(keys, 0o700); err != nil {
		s.t.Fatal(err)
	}
	run("deploy/debian/build", filepath.Join(dir, "built"), first, second)
	run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "packages@example.org", "ed25519", "sign", "1d")
	defer run("gpgconf", "--kill", "all")
	run("deploy/debian/repository", filepath.Join(dir, "built"), filepath.Join(dir, "repository"), "packages@example.org")
	s.lint(filepath.Join(dir, "built"))
	return filepath.Join(dir, "repository")
}

// lint checks the packages with lintian: no error, no warning.
func (s *site) lint(dir string) {
	s.t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*_"+first+"_*.deb"))
	out, err := exec.Command("lintian", append([]string{"--allow-root", "--fail-on", "error,warning"}, files...)...).CombinedOutput()
	if err != nil || len(files) < 4 { // and thumbmill-faces, where it was built
		s.t.Errorf("lintian on %d packages: %v\n%s", len(files), err, out)
	}
}

const settings = `
nats: {url: "nats://10.87.54.1:4222"}
coordinator:
  listen: ["0.0.0.0:7531"]
  servers: ["10.87.54.10:7531", "10.87.54.11:7531"]
edge: {listen: "0.0.0.0:8888", allow_unsafe: true, trusted_proxies: [10.87.54.10, 10.87.54.11]}
store:
  originals: {kind: swift, auth_url: "http://10.87.54.1:8080/auth/v1.0", user: "test:tester", container: originals}
  thumbnails: {kind: swift, auth_url: "http://10.87.54.1:8080/auth/v1.0", user: "test:tester", container: thumbnails}
`

// install installs the first version from the repository, as docs/deploy.md says.
func (m *machine) install() {
	m.t.Helper()
	m.run("sh", "-c", "rm -f /etc/apt/sources.list && cp /srv/packages/thumbmill.gpg /etc/apt/keyrings/ && sed 's|^URIs: .*|URIs: file:/srv/packages|' /srv/packages/thumbmill.sources > /etc/apt/sources.list.d/thumbmill.sources")
	m.run("apt-get", "update")
	m.change(first, append(roles(), "thumbmill")...)
	m.put("/etc/thumbmill.d/20-site.yaml", settings)
	for _, role := range roles() {
		user := m.property(role, "User")
		m.run("sh", "-c", "cd /etc/thumbmill && echo testing > "+role+"-store && echo a-secret-of-the-test-of-packages > "+role+"-coordinator && chmod 400 "+role+"-* && chown "+user+" "+role+"-*")
		m.run("sh", "-c", "printf 'THUMBMILL_STORE_ORIGINALS_KEY=file:/etc/thumbmill/%s-store\\nTHUMBMILL_STORE_THUMBNAILS_KEY=file:/etc/thumbmill/%s-store\\nTHUMBMILL_COORDINATOR_SECRET=file:/etc/thumbmill/%s-coordinator\\n' "+strings.Repeat(role+" ", 3)+" >> /etc/default/"+role)
	}
	m.run("thumbmill", "config", "check", "/etc/thumbmill.d")
	m.run(append([]string{"systemctl", "enable", "--now"}, roles()...)...)
	m.front()
}

// change installs a version of packages. A question of dpkg would fail it, since nothing answers.
func (m *machine) change(version string, packages ...string) {
	m.t.Helper()
	words := []string{"apt-get", "install", "--yes", "--no-install-recommends", "--allow-downgrades"}
	for _, name := range packages {
		words = append(words, name+"="+version)
	}
	m.run(words...)
}

// front starts nginx with the package's example.
func (m *machine) front() {
	m.t.Helper()
	m.run("sh", "-c", "sed 's/127.0.0.1:8888/10.87.54.10:8888/; s/127.0.0.2:8888/10.87.54.11:8888/; s/127.0.0.1:8080/0.0.0.0:8080/' /usr/share/doc/thumbmill/examples/thumbmill.conf > /etc/nginx/conf.d/thumbmill.conf")
	m.run("systemctl", "restart", "nginx")
}

// ready waits until a service reports itself ready to clients.
func (m *machine) ready(role string) {
	m.t.Helper()
	eventually.Succeeds(m.t, starts, role+" is ready on "+m.name, func() error {
		out, err := m.command("sh", "-c", ". /etc/default/"+role+" && export THUMBMILL_ADMIN_LISTEN && "+role+" ready").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
}

// visitors returns a load on nginx of the second machine.
func (s *site) visitors() *visitors.Load {
	transport := &http.Transport{DialContext: s.network.Dial, MaxIdleConnsPerHost: 100, DisableCompression: true}
	return visitors.New(s.t, visitors.Options{Front: "http://" + s.machines[1].address + ":8080", PerSecond: 5, Transport: transport, Fresh: func(n int) string {
		return fmt.Sprintf("/unsafe/%dx/p/%d.jpg", 20+n/originals, n%originals)
	}})
}
