package compose

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"}, cli.WithResolvedPaths(true), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("docker-compose.yml does not fit Compose's schema: %v", err)
	}
	return built(t, p)
}

// built completes the services that use another service's image: the result says for each service how
// its image is built.
func built(t *testing.T, p *types.Project) *types.Project {
	t.Helper()
	builds := map[string]*types.BuildConfig{}
	for _, s := range p.Services {
		if s.Build != nil {
			builds[s.Image] = s.Build
		}
	}
	for name, s := range p.Services {
		s.Build = builds[s.Image]
		p.Services[name] = s
		if s.Build == nil && s.PullPolicy == types.PullPolicyNever {
			t.Errorf("%s: no service builds the image %s", name, s.Image)
		}
	}
	return p
}

// Every container is confined, limited, health-checked and not root, and publishes nothing beyond
// loopback.
func TestEveryServiceIsConfined(t *testing.T) {
	for name, s := range project(t).Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") ||
			!slices.ContainsFunc(s.SecurityOpt, func(o string) bool { return strings.HasPrefix(o, "seccomp:") }) {
			t.Errorf("%s has more rights than it needs", name)
		}
		if uid, _ := identity(t, s.User); uid == 0 {
			t.Errorf("%s runs as root", name)
		}
		if s.MemLimit == 0 || s.PidsLimit == 0 {
			t.Errorf("%s has no limit of memory or of processes", name)
		}
		if s.HealthCheck == nil && s.Restart != "no" {
			t.Errorf("%s has no health check", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published beyond loopback, on %q", name, port.HostIP)
			}
		}
		for _, volume := range s.Volumes {
			if _, err := os.Stat(volume.Source); volume.Type == types.VolumeTypeBind && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Each host in the configuration is a service of the project.
func TestConfigurationNamesServices(t *testing.T) {
	s, err := settings.Load("thumbmill.d", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := project(t)
	addresses := slices.Concat(s.Coordinator.Servers, s.Memcached.Servers, s.Purge.XKey, strings.Split(string(s.NATS.URL), ","))
	for _, address := range append(addresses, s.Store.Originals.AuthURL) {
		if _, rest, found := strings.Cut(address, "://"); found {
			address = rest
		}
		host, _, _ := strings.Cut(address, ":")
		if _, ok := p.Services[host]; !ok {
			t.Errorf("%s is not a service", address)
		}
	}
}

// The files that the Dockerfile copies from the repository exist, and each image has a user and a
// command.
func TestDockerfile(t *testing.T) {
	all := stages(t)
	for name, s := range project(t).Services {
		if s.Build == nil {
			continue
		}
		stage := all[s.Build.Target]
		if stage == nil {
			t.Errorf("%s: the Dockerfile has no stage %s", name, s.Build.Target)
			continue
		}
		if stage.user != s.User || len(stage.entrypoint) == 0 {
			t.Errorf("the image of %s runs %q as %q", name, stage.entrypoint, stage.user)
		}
	}
	for _, s := range all {
		for _, c := range s.copies {
			for _, from := range c.what {
				if _, err := os.Stat(filepath.Join("../..", from)); c.from == "" && err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
			}
		}
	}
}

// Two folders with the same source give the same bytes. Go's toolchain promises this for compiled
// packages, so the test compares only the linker's output.
func TestBinariesAreReproducible(t *testing.T) {
	var sums [2][sha256.Size]byte
	for i := range sums {
		dir := t.TempDir()
		if out, err := exec.Command("cp", "-r", "../../coordinator", "../../shared", "../../go.mod", "../../go.sum", dir).CombinedOutput(); err != nil {
			t.Fatal(string(out))
		}
		static := stages(t)["static"].runs[0]
		build := strings.NewReplacer("/out/", dir+"/out/", "./edge/cmd/edge ", "").Replace(static)
		cmd := exec.Command("sh", "-c", build)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", build, err, out)
		}
		binary, err := os.ReadFile(filepath.Join(dir, "out", "coordinator"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(binary)
	}
	if sums[0] != sums[1] {
		t.Error("two builds of the coordinator differ")
	}
}

// The whole site runs. Each container has the command, environment, user, root and limits that
// docker-compose.yml gives it, so the test runs the file as it is.
func TestTheWholeSite(t *testing.T) {
	h := newHost(t)
	h.startAll()
	front := "http://front:8080"
	h.picture(front+"/unsafe/300x/sample.svg", 300)
	h.picture(front+"/wikipedia/commons/thumb/0/02/Sample.svg/250px-Sample.svg.png", 250)
	if cached := h.get(front + "/unsafe/300x/sample.svg"); cached.Header.Get("X-Cache") != "hit" {
		t.Errorf("Varnish did not cache the thumbnail: %v", cached.Header)
	}
	if absent := h.get(front + "/unsafe/300x/absent.jpg"); absent.StatusCode != http.StatusNotFound {
		t.Errorf("the answer for an absent original is %s", absent.Status)
	}
	h.operators()
	// A purge that missed a receiver says so, and the test repeats it.
	eventually.Succeeds(h.t, patience, "a purge reaches all receivers", func() error {
		return h.tool("purge", "--admin", "http://purger:8889", "sample.svg")
	})
	if again := h.get(front + "/unsafe/300x/sample.svg"); again.Header.Get("X-Cache") != "miss" {
		t.Errorf("Varnish has the thumbnail after the purge: %v", again.Header)
	}
	t.Run("a renderer's workers are sandboxed", func(t *testing.T) { h.sandboxed(t) })
	t.Run("zombies are reaped", func(t *testing.T) { h.reaped(t) })
	h.scraped()
	h.noServerJoins()
	t.Run("each role ends cleanly", func(t *testing.T) {
		for _, name := range []string{"edge-1", "renderer-1", "coordinator-1"} {
			if how := h.up[name].stop(); how != "exit status 0" {
				t.Errorf("%s: %s", name, how)
			}
		}
	})
	h.picture(front+"/unsafe/200x/sample.svg", 200) // by the other edge and renderer
}

const patience = 30 * time.Second

func (h *host) client() *http.Client {
	transport := &http.Transport{DialContext: h.network.Dial, DisableKeepAlives: true}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// get requests an address that names a service.
func (h *host) get(address string) *http.Response {
	h.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		h.t.Fatal(err)
	}
	u.Host = net.JoinHostPort(h.address[u.Hostname()], u.Port())
	response, err := h.client().Get(u.String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// noServerJoins checks that a server needs the password to join the NATS servers: they ask servers
// for no credentials.
func (h *host) noServerJoins() {
	h.t.Helper()
	conn, err := h.network.Dial(h.t.Context(), "tcp", net.JoinHostPort(h.address["nats-1"], "6222"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprintf(conn, "CONNECT {\"name\":\"another\",\"cluster\":\"thumbmill\"}\r\nPING\r\n")
	answer, err := io.ReadAll(conn) // a reset can end the reading: the server may close before it has read PING
	if !strings.Contains(string(answer), "Authorization Violation") {
		h.t.Errorf("a server that joins without the password gets %q %v", answer, err)
	}
}

func (h *host) picture(address string, width int) {
	h.t.Helper()
	response := h.get(address)
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		h.t.Errorf("%s: %s %s", address, response.Status, text)
		return
	}
	config, _, err := image.DecodeConfig(response.Body)
	if err != nil || config.Width != width {
		h.t.Errorf("%s is %d pixels wide, want %d: %v", address, config.Width, width, err)
	}
}

// operators waits until the page's data lists both renderers.
func (h *host) operators() {
	h.t.Helper()
	eventually.Succeeds(h.t, patience, "the coordinator knows both renderers", func() error {
		var report struct {
			Renderers []json.RawMessage `json:"renderers"`
		}
		err := json.NewDecoder(h.get("http://coordinator-1:8889/api/v1/throttles").Body).Decode(&report)
		if err == nil && len(report.Renderers) != 2 {
			err = fmt.Errorf("the coordinator knows %d renderers", len(report.Renderers))
		}
		return err
	})
}

// sandboxed checks that the profile of system calls allows a renderer to confine its workers, and
// forbids system calls that no role needs.
func (h *host) sandboxed(t *testing.T) {
	log := h.up["renderer-1"].said()
	for _, layer := range []string{"no_new_privs", "rlimits", "landlock", "seccomp"} {
		if !strings.Contains(log, layer) {
			t.Errorf("the renderer did not enter %s: %s", layer, log)
		}
	}
	if out, err := h.up["renderer-1"].exec("unshare", "--user", "true"); err == nil || !strings.Contains(string(out), "Operation not permitted") {
		t.Errorf("a container can make namespaces: %v %s", err, out)
	}
	if out, err := h.up["renderer-1"].exec("grep", "-q", " / overlay ro,", "/proc/mounts"); err != nil {
		t.Errorf("a container's root can be written: %v %s", err, out)
	}
}

// reaped checks that an orphan leaves the process table when it ends. A tool of a killed worker is
// such an orphan.
func (h *host) reaped(t *testing.T) {
	renderer := h.up["renderer-1"]
	if out, err := renderer.exec("sh", "-c", "sleep 0.2 & exit"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	eventually.Succeeds(t, patience, "no zombie is left", func() error {
		if out, _ := renderer.exec("sh", "-c", "grep -ls '^State:.Z' /proc/[0-9]*/status"); len(out) > 0 { // grep fails if it finds none
			return fmt.Errorf("zombies: %s", out)
		}
		return nil
	})
}

// scraped checks that Prometheus has the metrics of all roles but the renderers: an engine's DNS
// names those to it.
func (h *host) scraped() {
	h.t.Helper()
	eventually.Succeeds(h.t, patience, "Prometheus scrapes the roles", func() error {
		var answer struct {
			Data struct {
				ActiveTargets []struct{ ScrapeURL, Health, LastError string }
			}
		}
		if err := json.NewDecoder(h.get("http://prometheus:9090/api/v1/targets").Body).Decode(&answer); err != nil {
			return err
		}
		if len(answer.Data.ActiveTargets) != 5 {
			return fmt.Errorf("%d targets", len(answer.Data.ActiveTargets))
		}
		var errs []error
		for _, target := range answer.Data.ActiveTargets {
			if target.Health != "up" {
				errs = append(errs, fmt.Errorf("%s is %s: %s", target.ScrapeURL, target.Health, target.LastError))
			}
		}
		return errors.Join(errs...)
	})
}
