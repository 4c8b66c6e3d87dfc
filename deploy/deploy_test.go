// Package deploy has no code: its tests hold the files here, and
// docker-compose.yml, to what can be checked without a container engine.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/thumbmill/thumbmill/shared/settings"
)

func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("docker-compose.yml does not fit Compose's schema: %v", err)
	}
	return p
}

func TestComposeFile(t *testing.T) {
	p := project(t)
	for _, name := range []string{"edge-1", "edge-2", "coordinator", "renderer-1", "renderer-2", "nats", "memcached", "swift"} {
		s, ok := p.Services[name]
		if !ok {
			t.Errorf("no service %s", name)
			continue
		}
		if s.MemLimit == 0 {
			t.Errorf("%s has no limit of memory", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published beyond loopback, on %q", name, port.HostIP)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		role, _, _ := strings.Cut(name, "-")
		if role == "edge" || role == "coordinator" || role == "renderer" {
			if !s.ReadOnly || len(s.CapDrop) == 0 || len(s.SecurityOpt) == 0 {
				t.Errorf("%s may do more than it needs", name)
			}
		}
	}
}

// The hosts that the configuration names are services of the compose file.
func TestConfigurationOfTheContainers(t *testing.T) {
	s, err := settings.Load("config", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := project(t)
	for _, address := range append(append(s.Coordinator.Servers, s.Memcached.Servers...), string(s.NATS.URL), s.Store.Originals.AuthURL, s.Store.Thumbnails.AuthURL) {
		_, host, found := strings.Cut(address, "://")
		if !found {
			host = address
		}
		host, _, _ = strings.Cut(host, ":")
		if _, ok := p.Services[host]; !ok {
			t.Errorf("%s is no service", address)
		}
	}
	if s.Store.Thumbnails.Kind != "swift" || s.Store.Thumbnails.Container == s.Store.Originals.Container {
		t.Errorf("stores are %+v", s.Store)
	}
}

// Each file that a Dockerfile copies from here exists, and each package that it
// builds.
func TestDockerfiles(t *testing.T) {
	files, _ := filepath.Glob("docker/*.Dockerfile")
	if len(files) != 4 {
		t.Errorf("%d Dockerfiles", len(files))
	}
	copies := regexp.MustCompile(`(?m)^COPY ([^-\s][^\n]*) \S+$`)
	builds := regexp.MustCompile(`go build .* (\./\S+)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sources []string
		for _, m := range copies.FindAllStringSubmatch(string(text), -1) {
			sources = append(sources, strings.Fields(m[1])...)
		}
		for _, m := range builds.FindAllStringSubmatch(string(text), -1) {
			sources = append(sources, m[1])
		}
		for _, source := range sources {
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		if !strings.Contains(string(text), "\nUSER ") {
			t.Errorf("%s runs as root", file)
		}
	}
}
