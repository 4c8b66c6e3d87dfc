package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/shown"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

const (
	front     = "http://127.0.0.1:8080"
	healthy   = 2 * time.Minute // the site's budget, from images to health
	settles   = time.Minute     // after a fault
	originals = 24
)

// site is the site of docker-compose.yml on an engine of its own.
type site struct {
	engine *engine
	client *http.Client
}

// images builds the images. Where no registry answers, it makes the base images too.
func images(t *testing.T) {
	e := startEngine(t, false)
	defer e.stop()
	if out, err := e.command("deploy/docker/base").CombinedOutput(); err != nil {
		t.Fatalf("make the base images: %v\n%s", err, out)
	}
	e.run(e.onFile([]string{"build.yaml"}, "--profile", "tool", "build", "--quiet")...)
}

// newSite starts the site, and fails if it is not healthy in time.
func newSite(t *testing.T) *site {
	images(t)
	s := &site{engine: startEngine(t, true)}
	s.client = &http.Client{Timeout: time.Minute, Transport: s.transport()}
	t.Cleanup(s.client.CloseIdleConnections)
	s.down()
	t.Cleanup(s.down)
	began := time.Now()
	s.follow("docker compose up")
	if took := time.Since(began); took > healthy {
		t.Errorf("the site is healthy after %.1f s, at most %v are allowed", took.Seconds(), healthy)
	} else {
		t.Logf("the site is healthy after %.1f s", took.Seconds())
	}
	s.follow("curl")
	return s
}

// follow runs a command as docs/deploy.md shows it for Compose, in the engine's network. The environment adds the files
// of this folder to Compose's.
func (s *site) follow(begins string) {
	t := s.engine.t
	t.Helper()
	dir := t.TempDir() // of the command, and of the engine's plugins
	if err := os.Mkdir(filepath.Join(dir, "cli-plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	if len(s.engine.compose) == 1 { // else the engine has the plugin
		if err := os.Symlink(s.engine.compose[0], filepath.Join(dir, "cli-plugins", "docker-compose")); err != nil {
			t.Fatal(err)
		}
	}
	var files []string
	for _, file := range []string{root + "/docker-compose.yml", "build.yaml", "site.yaml"} {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	cmd := s.engine.command("nsenter", "--net="+s.engine.namespace(), "bash", "-ec", shown.Command(t, "docs/deploy.md", "### Compose", begins))
	cmd.Dir, cmd.Env = dir, append(cmd.Env, "DOCKER_CONFIG="+dir, "COMPOSE_FILE="+strings.Join(files, ":"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

func (s *site) transport() *http.Transport {
	return &http.Transport{DialContext: s.engine.dial, MaxIdleConnsPerHost: 100, DisableCompression: true}
}

func (s *site) composed(words ...string) string {
	s.engine.t.Helper()
	return s.engine.run(s.engine.onFile([]string{"site.yaml"}, words...)...)
}

// up starts or changes the site, and waits until all containers are healthy.
func (s *site) up(words ...string) {
	s.engine.t.Helper()
	s.composed(append([]string{"up", "--no-build", "--detach", "--wait", "--wait-timeout", fmt.Sprint(int(healthy.Seconds()))}, words...)...)
}

// down removes the site's containers and volumes.
func (s *site) down() {
	s.composed("--profile", "*", "down", "--volumes", "--timeout", "5")
}

// get returns the answer for a URL, from within the engine's network.
func (s *site) get(url string) (status int, header http.Header, body []byte) {
	s.engine.t.Helper()
	response, err := s.client.Get(url)
	if err != nil {
		s.engine.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		s.engine.t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

// address returns the address of a container.
func (s *site) address(container string) string {
	s.engine.t.Helper()
	return s.engine.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
}

// store puts an original into Swift.
func (s *site) store(name string, content []byte) {
	s.engine.t.Helper()
	swift := "http://" + net.JoinHostPort(s.address(container("swift")), "8080")
	headers := map[string]string{"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
	answer := s.do(http.MethodGet, swift+"/auth/v1.0", nil, headers)
	s.do(http.MethodPut, swift+"/v1/AUTH_test/originals/"+name, content, map[string]string{"X-Auth-Token": answer.Get("X-Auth-Token")})
}

func (s *site) do(method, url string, body []byte, headers map[string]string) http.Header {
	s.engine.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		s.engine.t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.engine.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		s.engine.t.Fatalf("%s %s: %s", method, url, response.Status)
	}
	return response.Header
}

// container returns the name of a service's only container.
func container(service string) string { return "thumbmill-" + service + "-1" }

// photograph returns a JPEG of 800 x 600 pixels.
func photograph(t *testing.T, seed int) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for y := range 600 {
		for x := range 800 {
			picture.Set(x, y, color.RGBA{uint8(x + seed), uint8(y * seed), uint8(x * y >> 4), 255}) //nolint:gosec // wraps around
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// visitors returns a load on the site.
func (s *site) visitors(perSecond float64) *visitors.Load {
	for i := range originals {
		s.store(fmt.Sprintf("p/%d.jpg", i), photograph(s.engine.t, i))
	}
	return visitors.New(s.engine.t, visitors.Options{Front: front, Edge: "http://10.87.53.12:8888", PerSecond: perSecond, Transport: s.transport(), Fresh: func(n int) string {
		return fmt.Sprintf("/unsafe/%dx/p/%d.jpg", 20+n/originals, n%originals)
	}})
}

// settled waits until every container runs and is healthy.
func (s *site) settled() {
	s.engine.t.Helper()
	eventually.Succeeds(s.engine.t, settles, "all containers are healthy", func() error {
		var errs []error
		for line := range strings.Lines(s.engine.docker("ps", "--all", "--format", "{{.Names}} {{.Status}}")) {
			if !strings.Contains(line, "(healthy)") && !strings.Contains(line, "Exited (0)") {
				errs = append(errs, errors.New(strings.TrimSpace(line)))
			}
		}
		return errors.Join(errs...)
	})
}

// scraped waits until Prometheus has the metrics of all roles, with a number of renderers.
func (s *site) scraped(renderers int) {
	s.engine.t.Helper()
	eventually.Succeeds(s.engine.t, settles, fmt.Sprintf("Prometheus scrapes %d renderers and the other roles", renderers), func() error {
		var answer struct {
			Data struct {
				ActiveTargets []struct{ ScrapeURL, Health, LastError string }
			}
		}
		_, _, body := s.get("http://127.0.0.1:9090/api/v1/targets")
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if n := len(answer.Data.ActiveTargets); n != renderers+5 {
			return fmt.Errorf("%d targets", n)
		}
		for _, target := range answer.Data.ActiveTargets {
			if target.Health != "up" {
				return fmt.Errorf("%s is %s: %s", target.ScrapeURL, target.Health, target.LastError)
			}
		}
		return nil
	})
}

// available skips the test where no engine can run.
func available(t *testing.T) {
	if os.Getenv("THUMBMILL_DOCKER") == "" {
		t.Skip("a Docker engine runs only in `make test-docker`")
	}
}
