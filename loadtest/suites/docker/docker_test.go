package docker

import (
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bytes"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/hostile"
)

// TestTheSite runs the site on an engine: as a visitor and an operator see it, then while it breaks.
func TestTheSite(t *testing.T) {
	available(t)
	s := newSite(t)
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"images are small", s.small},
		{"images have lists of software", s.listed},
		{"fonts are cached", s.cached},
		{"visitors see thumbnails", s.serves},
		{"operators see all roles", s.operators},
		{"a renderer's workers are sandboxed", s.sandboxed},
		{"no memory for a worker", s.starved},
		{"faults", s.breaks},
	} {
		t.Run(part.name, func(t *testing.T) {
			s.engine.t = t
			part.test(t)
		})
		s.engine.t = t
	}
}

// small checks the sizes of the images. Edge and coordinator consist of a binary and certificates.
func (s *site) small(t *testing.T) {
	for image, most := range map[string]int{"edge": 30e6, "coordinator": 30e6, "renderer": 900e6} {
		size, err := strconv.Atoi(s.engine.docker("image", "inspect", "--format", "{{.Size}}", "thumbmill-"+image))
		if err != nil || size > most {
			t.Errorf("the image of %s has %d bytes, at most %d are allowed: %v", image, size, most, err)
		}
		t.Logf("%s: %.1f MB", image, float64(size)/1e6)
	}
	for _, image := range []string{"edge-1", "coordinator-1"} {
		if out, err := s.engine.command("docker", "exec", container(image), "/bin/sh", "-c", ":").CombinedOutput(); err == nil {
			t.Errorf("%s has a shell: %s", image, out)
		}
	}
}

// listed checks the lists of software: an edge has Go modules alone, a renderer Debian's packages too.
func (s *site) listed(t *testing.T) {
	folder := t.TempDir()
	s.engine.run("deploy/docker/sbom", folder, "thumbmill-edge", "thumbmill-renderer")
	for image, parts := range map[string][]string{"edge": {"github.com/nats-io/nats.go"}, "renderer": {"github.com/nats-io/nats.go", "libvips42t64", "poppler-utils"}} {
		text, err := os.ReadFile(filepath.Join(folder, "thumbmill-"+image+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !bytes.Contains(text, []byte(`"name": "`+part+`"`)) {
				t.Errorf("the list of %s has no %s", image, part)
			}
		}
		if image == "edge" && bytes.Contains(text, []byte("pkg:deb/")) {
			t.Error("the edge has packages of Debian")
		}
	}
}

// cached checks that programs find valid caches of all fonts, also in an image that comes from a registry, whose layers
// have no fractions of seconds.
func (s *site) cached(t *testing.T) {
	for what, command := range map[string]string{
		"a program reads fonts that a cache has":       "FC_DEBUG=128 fc-match sans | grep Scanning || true",
		"a folder's time has a fraction of its second": `find /usr/share/fonts -type d -printf '%T@ %p\n' | grep -v '^[0-9]*[.]0* ' || true`,
	} {
		if found := s.engine.docker("exec", container("renderer"), "sh", "-c", command); found != "" {
			t.Errorf("%s: %.500s", what, found)
		}
	}
}

// picture checks that a URL answers with a picture of a width.
func (s *site) picture(url string, width int) {
	s.engine.t.Helper()
	status, _, body := s.get(url)
	config, _, err := image.DecodeConfig(bytes.NewReader(body))
	if status != http.StatusOK || err != nil || config.Width != width {
		s.engine.t.Errorf("%s: status %d, %d pixels wide, want %d: %v", url, status, config.Width, width, err)
	}
}

func (s *site) serves(t *testing.T) {
	s.picture(front+"/unsafe/300x/sample.svg", 300)
	s.picture(front+"/wikipedia/commons/thumb/0/02/Sample.svg/250px-Sample.svg.png", 250)
	if _, header, _ := s.get(front + "/unsafe/300x/sample.svg"); header.Get("X-Cache") != "hit" {
		t.Errorf("Varnish did not cache the thumbnail: %v", header)
	}
	if status, _, _ := s.get(front + "/unsafe/300x/absent.jpg"); status != http.StatusNotFound {
		t.Errorf("the answer for an absent original is %d", status)
	}
}

func (s *site) operators(t *testing.T) {
	if status, _, body := s.get("http://127.0.0.1:8889/"); status != http.StatusOK || !bytes.Contains(body, []byte("<title>")) {
		t.Errorf("the operators' page answers %d: %.300s", status, body)
	}
	eventually.Succeeds(t, settles, "the coordinator knows both renderers", func() error {
		var report struct {
			Renderers []json.RawMessage `json:"renderers"`
		}
		_, _, body := s.get("http://127.0.0.1:8889/api/v1/throttles")
		err := json.Unmarshal(body, &report)
		if err == nil && len(report.Renderers) != 2 {
			err = fmt.Errorf("it knows %d", len(report.Renderers))
		}
		return err
	})
	s.scraped(2)
	// A purge that missed a receiver says so, and the test repeats it.
	eventually.Succeeds(t, settles, "a purge reaches all receivers", func() error {
		purge := s.engine.onFile([]string{"site.yaml"}, "run", "--rm", "tool", "purge", "--admin", "http://purger:8889", "sample.svg")
		out, err := s.engine.command(purge...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if _, header, _ := s.get(front + "/unsafe/300x/sample.svg"); header.Get("X-Cache") != "miss" {
		t.Errorf("Varnish has the thumbnail after the purge: %v", header)
	}
}

// sandboxed checks that the profile of system calls allows a renderer to confine its workers, and
// forbids namespaces.
func (s *site) sandboxed(t *testing.T) {
	log := s.engine.docker("logs", container("renderer"))
	for _, layer := range []string{"no_new_privs", "rlimits", "landlock", "seccomp"} {
		if !strings.Contains(log, layer) {
			t.Errorf("the renderer did not enter %s: %s", layer, log)
		}
	}
	if out, err := s.engine.command("docker", "exec", container("renderer"), "unshare", "--user", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "Operation not permitted") {
		t.Errorf("a container can make namespaces: %v %s", err, out)
	}
	for _, name := range []string{"renderer", "edge-1"} {
		options := s.engine.docker("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}", container(name))
		if !strings.HasPrefix(options, "true [ALL]") || !strings.Contains(options, "no-new-privileges") || !strings.Contains(options, "SCMP_ACT_ERRNO") {
			t.Errorf("%s has more rights than it needs: %.200s", name, options)
		}
	}
}

// Limits of the container, and the side of an original whose pixels do not fit in them.
const (
	tight = "320m"
	side  = 7000
)

// starved checks that only a worker dies when a renderer's container has no memory left: the renderer
// keeps its process, and draws the next thumbnail.
func (s *site) starved(t *testing.T) {
	s.store("huge.tga", hostile.Targa(side))
	s.store("next.jpg", photograph(t, 7))
	names := []string{"thumbmill-renderer-1", "thumbmill-renderer-2"}
	state := func(name string) string {
		return s.engine.docker("inspect", "--format", "{{.State.Pid}} {{.RestartCount}}", name)
	}
	was := map[string]string{}
	for _, name := range names {
		was[name] = state(name)
		s.engine.docker("update", "--memory", tight, "--memory-swap", tight, name)
	}
	status, _, body := s.get(front + "/unsafe/100x/huge.tga")
	if status < http.StatusTooManyRequests {
		t.Errorf("the answer for an original that does not fit into the memory is %d: %.300s", status, body)
	}
	t.Logf("the answer is %d: %.300s", status, body)
	killed := 0
	for _, name := range names {
		if is := state(name); is != was[name] {
			t.Errorf("%s restarted: process and restarts were %s, and are %s", name, was[name], is)
		}
		killed += s.killed(name)
	}
	if killed == 0 {
		t.Error("the kernel killed no worker: the original is too small for this test")
	}
	s.picture(front+"/unsafe/120x/next.jpg", 120)
	for _, name := range names {
		s.engine.docker("update", "--memory", "8g", "--memory-swap", "8g", name)
	}
}

// killed returns the number of processes of a container that the kernel killed for lack of memory.
func (s *site) killed(name string) (n int) {
	s.engine.t.Helper()
	const files = "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null | grep '^oom_kill '"
	if _, err := fmt.Sscanf(s.engine.docker("exec", name, "sh", "-c", files), "oom_kill %d", &n); err != nil {
		s.engine.t.Fatal(err)
	}
	return n
}
