package commands

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/shared/version"
)

// thumbmill is the built program with a home. Programs with the same home share a token and
// sockets.
type thumbmill struct{ binary, home string }

func newThumbmill(t *testing.T) thumbmill {
	t.Helper()
	return thumbmill{filepath.Join(programs.Build(t, programs.Thumbmill), "thumbmill"), t.TempDir()}
}

func (m thumbmill) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), m.binary, args...)
	cmd.Env = append(append(os.Environ(), "XDG_CONFIG_HOME="+m.home, "XDG_RUNTIME_DIR="+m.home), env...)
	cmd.Dir = t.TempDir()
	return cmd
}

// says returns the whole output of a command, even if it fails.
func (m thumbmill) says(t *testing.T, args ...string) string {
	t.Helper()
	out, _ := m.command(t, nil, args...).CombinedOutput()
	return string(out)
}

func TestServe(t *testing.T) {
	m := newThumbmill(t)
	cmd := m.command(t, nil, "serve", "--samples", "--print-addresses", "--originals", "o", "--thumbnails", "t",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("%v\n%s", err, log.String())
	}
	var addresses map[string]string
	if err := json.Unmarshal(line, &addresses); err != nil || !strings.HasPrefix(addresses["nats"], "nats://127.0.0.1:") ||
		!strings.HasPrefix(addresses["coordinator"], "127.0.0.1:") {
		t.Errorf("printed %s: %v", line, err)
	}
	body := get(t, addresses["http"]+"/wikipedia/commons/thumb/a/ab/Landscape.jpg/330px-Landscape.jpg")
	if image, err := jpeg.DecodeConfig(bytes.NewReader(body)); err != nil || image.Width != 330 {
		t.Errorf("%+v, %v", image, err)
	}
	if got := get(t, addresses["http"]+"/healthcheck"); string(got) != "WORKING" {
		t.Errorf("health: %q", got)
	}
	get(t, addresses["admin"]+"/readyz")
	hasMetrics(t, addresses["admin"]+"/metrics")
	m.operates(t, addresses, filepath.Join(cmd.Dir, "o"))
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, log.String())
	}
	if left, _ := filepath.Glob(filepath.Join(cmd.Dir, "t", ".incoming", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// operates runs the operators' commands on a cluster.
func (m thumbmill) operates(t *testing.T, addresses map[string]string, originals string) {
	t.Helper()
	run := func(args ...string) string {
		return m.says(t, append(args, "--admin", strings.TrimPrefix(addresses["admin"], "http://"))...)
	}
	if err := os.WriteFile(filepath.Join(originals, "bad.jpg"), []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), 0o600); err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(addresses["http"] + "/unsafe/100x/bad.jpg")
	if err != nil || response.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%v %v", response, err)
	}
	_ = response.Body.Close()
	for _, c := range []struct{ said, wants string }{
		{run("failing"), "undecodable"},
		{run("failing", "clear", "good.jpg"), "good.jpg is not among the failing originals"},
		{run("failing", "clear", "bad.jpg"), "bad.jpg: forgotten"},
		{run("failing"), "No original is failing."},
		{run("status"), "BUSIEST CLIENTS"},
		{run("status"), "lane:standard"},
		{run("status", "--json"), `"classes":{`},
		{run("throttle"), "lane:standard"},
		{run("throttle", "set", "per_original", "--workers", "3", "--why", "a test", "--who", "ann"), "give directive limit per-original for 1h0m0s, ID"},
		{run("throttle"), "by a directive"},
		{run("throttle", "set", "orignal", "--workers", "3", "--why", "a test"), "per-ip, per-original, expensive, lane:standard"},
		{run("throttle", "block", "192.0.2.0/24"), `required flag(s) "why" not set`},
		{run("throttle", "block", "everybody", "--why", "a test"), "such as 192.0.2.0/24"},
		{run("throttle", "pause", "bulk", "--why", "a test", "--for", "30m"), "give directive pause bulk for 30m0s, ID"},
		{run("status"), "paused"},
		{run("renderers", "resume", "renderer-x"), "no directive of kind drain is in force for renderer-x"},
		{run("throttle", "withdraw", "x"), "no directive in force has this ID"},
		{run("throttle", "--token-file", "/dev/null", "withdraw", "x"), "could be guessed"},
	} {
		if !strings.Contains(c.said, c.wants) {
			t.Errorf("%q does not say %q", c.said, c.wants)
		}
	}
	m.inspects(t)
	watch := m.command(t, nil, "top", "--json", "--admin", addresses["admin"])
	out, err := watch.StdoutPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	reports := bufio.NewReader(out)
	for range 3 {
		if line, err := reports.ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("%q %v", line, err)
		}
	}
	if said := run("renderers"); !strings.Contains(said, "takes jobs, confined by") { // known within two seconds
		t.Errorf("%q", said)
	}
	_ = watch.Process.Signal(syscall.SIGINT)
	if err := watch.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// inspects runs the commands that read a process's socket or nothing at all.
func (m thumbmill) inspects(t *testing.T) {
	t.Helper()
	for _, c := range []struct{ said, wants string }{
		{m.says(t, "debug"), "serve-"}, {m.says(t, "debug", "jobs"), "[]"}, {m.says(t, "debug", "level"), "INFO"},
		{m.says(t, "debug", "level", "debug"), "DEBUG"}, {m.says(t, "debug", "level", "loud"), "a level is one of debug, info, warn, error"},
		{m.says(t, "debug", "goroutines"), "goroutine 1 ["}, {m.says(t, "debug", "--socket", "/nowhere", "jobs"), "no such file"},
	} {
		if !strings.Contains(c.said, c.wants) {
			t.Errorf("%.200q does not say %q", c.said, c.wants)
		}
	}
	if out, err := m.command(t, nil, "completion", "bash").Output(); err != nil || !strings.Contains(string(out), "bash completion") {
		t.Errorf("%.100q %v", out, err)
	}
	if out, err := m.command(t, nil, "status", "--admin", "127.0.0.1:1").CombinedOutput(); err == nil || !strings.Contains(string(out), "check --admin") {
		t.Errorf("a wrong --admin: %q %v", out, err)
	}
}

// hasMetrics waits for the design's metrics. Some appear only after the first job.
func hasMetrics(t *testing.T, url string) {
	t.Helper()
	names := strings.Fields(`thumbmill_edge_requests_total thumbmill_edge_request_seconds thumbmill_step_seconds thumbmill_flights
		thumbmill_flight_waiters thumbmill_throttle_decisions_total thumbmill_pool_holders thumbmill_pool_waiters thumbmill_pool_wait_seconds
		thumbmill_leases thumbmill_lane_depth thumbmill_lane_age_seconds thumbmill_jobs_total thumbmill_renders_offered_total thumbmill_render_seconds thumbmill_renderer_slots
		thumbmill_renderer_slots_busy thumbmill_fetch_bytes_total thumbmill_store_seconds thumbmill_breaker_state thumbmill_renderers_wanted`)
	eventually.Succeeds(t, 20*time.Second, "all metrics are shown", func() error {
		shown := string(get(t, url))
		names = slices.DeleteFunc(names, func(name string) bool { return strings.Contains(shown, "# TYPE "+name+" ") })
		if len(names) > 0 {
			return fmt.Errorf("no metrics %v", names)
		}
		return nil
	})
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %q %v", url, response.Status, body, err)
	}
	return body
}

func TestCommands(t *testing.T) {
	m := newThumbmill(t)
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("edge:\n  deadlin: 3s\nrender: {quality: 300}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := []string{"THUMBMILL_EDGE_SECURITY_KEY=my-security-key"}
	for name, c := range map[string]struct {
		env  []string
		args []string
		ok   bool
		says string
	}{
		"help":            {nil, []string{"--help"}, true, "serve"},
		"version":         {nil, []string{"version"}, true, "thumbmill version " + version.Number + " ("},
		"flag of version": {nil, []string{"--version"}, true, "thumbmill version " + version.Number + " ("},
		"help of serve":   {nil, []string{"serve", "--help"}, true, "--nats-listen"},
		"show":            {key, []string{"config", "show"}, true, "security_key: '***'"},
		"check":           {nil, []string{"config", "check", bad}, false, "edge.deadlin: no such key (did you mean edge.deadline?)"},
		"sign":            {key, []string{"sign", "300x200/my.server.com/some/path/to/image.jpg"}, true, "/8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/"},
		"sign until":      {key, []string{"sign", "--expires", "1h", "300x200/a.jpg"}, true, "=/300x200/filters:expire("},
		"sign by none":    {key, []string{"sign", "--key", "2026", "300x200/a.jpg"}, false, `--key "2026" is not the name of a key: write one of security_key`},
		"srcset":          {nil, []string{"srcset", "--unsafe", "--widths", "330,500", "--formats", "webp", "a b.jpg"}, true, "/unsafe/500x0/filters:format(webp)/a%20b.jpg 500w"},
		"srcset keyless":  {nil, []string{"srcset", "a.jpg"}, false, "edge.security_key is not set"},
		"sign keyless":    {nil, []string{"sign", "300x200/a.jpg"}, false, "edge.security_key is not set"},
		"unknown command": {nil, []string{"sevre"}, false, `has no command "sevre"; it has completion, config,`},
		"unknown below":   {nil, []string{"config", "list"}, false, "it has check, from-imagor, from-imgproxy, from-thumbor, show"},
		"unknown flag":    {nil, []string{"status", "--xml"}, false, "flags of thumbmill status: --admin, --admin-ca,"},
		"unknown lane":    {nil, []string{"throttle", "pause", "slow", "--why", "a test"}, false, "a lane is one of standard, expensive, bulk"},
		"bad address":     {nil, []string{"serve", "--listen", "nonsense"}, false, "edge.listen"},
		"bad environment": {[]string{"THUMBMILL_RENDER_QUALITY=high"}, []string{"config", "show"}, false, "THUMBMILL_RENDER_QUALITY: render.quality: high is not a whole number"},
	} {
		out, err := m.command(t, c.env, c.args...).CombinedOutput()
		if ok := err == nil; ok != c.ok || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if strings.Contains(string(out), "my-security-key") {
			t.Errorf("%s prints the key", name)
		}
	}
}

// A log on a full disk loses lines, and nothing else: the site starts, serves and stops.
func TestServeWithAFullLog(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	if _, err := full.WriteString("x"); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("/dev/full takes a line: %v", err)
	}
	m := newThumbmill(t)
	cmd := m.command(t, []string{"THUMBMILL_LOG_LEVEL=debug"}, "serve", "--samples", "--print-addresses", "--originals", "o", "--thumbnails", "t",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	cmd.Stderr = full
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var addresses map[string]string
	if err := json.NewDecoder(out).Decode(&addresses); err != nil {
		t.Error(err)
	}
	for width := range 3 { // each request writes lines
		body := get(t, fmt.Sprintf("%s/wikipedia/commons/thumb/a/ab/Landscape.jpg/%dpx-Landscape.jpg", addresses["http"], 120+width))
		if image, err := jpeg.DecodeConfig(bytes.NewReader(body)); err != nil || image.Width != 120+width {
			t.Errorf("%+v, %v", image, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the site ends with %v", err)
	}
}
