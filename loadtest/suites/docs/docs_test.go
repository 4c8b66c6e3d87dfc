package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const root = "../../.."

// block is a fenced block of a page.
type block struct{ page, language, text string }

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```")

// pages returns all documentation, by path from the repository's root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(root, file)
			all[name] = string(text)
		}
	}
	return all
}

func blocks(t *testing.T) (all []block) {
	t.Helper()
	for page, text := range pages(t) {
		for _, m := range fenced.FindAllStringSubmatch(text, -1) {
			all = append(all, block{page, m[1], m[2]})
		}
	}
	return all
}

// Settings in the documentation are valid.
func TestSettings(t *testing.T) {
	n := 0
	for _, b := range blocks(t) {
		if b.language != "yaml" {
			continue
		}
		n++
		file := filepath.Join(t.TempDir(), "shown.yaml")
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := settings.Load(file, nil, nil); err != nil {
			t.Errorf("%s: %v in\n%s", b.page, err, b.text)
		}
	}
	if n == 0 {
		t.Error("no settings are shown")
	}
}

var named = regexp.MustCompile("`((?:deploy|docs|edge|coordinator|renderer|shared|loadtest)/[\\w./-]+)`|\\]\\(([^)#:]+)\\)")

// Files that the documentation names exist.
func TestFiles(t *testing.T) {
	for page, text := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			path := filepath.Join(root, m[1])
			if m[2] != "" {
				path = filepath.Join(root, filepath.Dir(page), m[2])
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s names %s, which does not exist", page, m[0])
			}
		}
	}
}

var command = regexp.MustCompile(`^\s*((?:[A-Z_]+=\S+ )*(?:make|bin/\w+|thumbmill|loadtest|go|curl|echo|openssl|install|grep|\(umask|sudo|apt|systemctl|docker|kubectl|swift|umask|for|coordinator|renderer)\b.*)$`)

// elsewhere lists commands that this test does not run: another test runs them, or no test can, for
// the given reason.
var elsewhere = []struct{ begins, why string }{
	{"make run", "it runs until it is ended: loadtest/suites/commands starts the same"},
	{"make test", "it is what runs this"},
	{"make tools build", "it installs packages: make test did"},
	{"make packages", "deploy/debian"},
	{"make bench-", "it is the benchmark that the page's figures come from"},
	{"make corpora", "loadtest/suites/corpora judges the project's own originals"},
	{"apt install", "loadtest/suites/packages"},
	{"systemctl enable", "loadtest/suites/packages, on machines with systemd"},
	{"curl -f http://127.0.0.1:8890", "deploy/debian starts the roles side by side"},
	{`curl -f -H "Authorization: Bearer $TOKEN" -X DELETE`, "its ID stands for one that was given: loadtest/suites/cluster withdraws those"},
	{"sudo thumbmill", "root's token is not the token of the cluster here"},
	{"swift post", "loadtest/suites/faults and shared/objectstore/swiftstore give accounts the same by HTTP: its client is not at hand"},
	{"umask 077", "it is for the lines after it"},
	{"for role in", "deploy/compose builds what the file says"},
	{"bin/coordinator --listen", "it runs until it is ended: the coordinator's tests start it"},
	{"bin/renderer --config", "likewise, the renderer's"},
	{"docker", "loadtest/suites/docker runs the file on an engine"},
	{"curl -fo sample.png", "likewise"},
	{"kubectl", "loadtest/suites/kubernetes, on a cluster"},
	{"go generate", "shared/settings/reference compares the page"},
	{"go test", "tests are run by their package"},
	{"go build", "it is built before the cluster is started"},
	{"THUMBMILL_EDGE_SECURITY_KEY=file:key bin/thumbmill serve", "it runs until it is ended"},
	{"bin/thumbmill serve", "it runs until it is ended, and is what these commands ask"},
	{"THUMBMILL_EDGE_TRUSTED_PROXIES=", "likewise"},
}

// Commands in the documentation succeed, on a separate machine with a running cluster.
func TestCommands(t *testing.T) {
	m := newMachine(t)
	shown, helped := 0, map[string]bool{}
	for _, page := range []string{
		"README.md", "docs/quick-start.md", "docs/urls.md", "docs/migrate.md", "docs/comparison.md",
		"docs/deploy.md", "docs/security.md", "docs/caches.md", "docs/formats.md", "docs/capacity.md", "docs/runbook.md", "docs/benchmarks.md",
		"edge/README.md", "coordinator/README.md", "renderer/README.md", "loadtest/README.md",
		"docs/operate.md", // the last page, because it drains the renderer
	} {
		for _, line := range commands(t, page) {
			shown++
			if why := whyElsewhere(line); why != "" {
				t.Logf("%s: %s: %s", page, line, why)
				continue
			}
			if strings.HasSuffix(line, help) && helped[line] {
				continue // several pages name the same command
			}
			helped[line] = true
			began := time.Now()
			if out, err := m.shell(line).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", page, line, err, out)
			}
			t.Logf("%s: %s (%.1f s)", page, line, time.Since(began).Seconds())
		}
	}
	if shown < 20 {
		t.Errorf("only %d commands are shown", shown)
	}
}

// commands returns the commands in a page's blocks. For commands in its prose, it returns their
// --help, to check that they exist.
func commands(t *testing.T, page string) (all []string) {
	t.Helper()
	text := pages(t)[page]
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(strings.ReplaceAll(m[2], "\\\n", " ")) {
			if found := command.FindStringSubmatch(strings.TrimRight(line, "\n")); m[1] == "" && found != nil {
				all = append(all, found[1])
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		all = append(all, m[1]+help)
	}
	return all
}

// help checks a command that prose names.
const help = " --help > /dev/null"

var inline = regexp.MustCompile("`(thumbmill(?: [a-z][a-z-]+)+)[ `]")

func whyElsewhere(line string) string {
	for _, e := range elsewhere {
		if strings.HasPrefix(line, e.begins) {
			return e.why
		}
	}
	return ""
}

// machine is a copy of this machine's files with its own network, where a cluster serves at the
// usual addresses.
type machine struct {
	t           *testing.T
	root, space string
	env         []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: servers.Overlay(t, "/proc", "/dev", "/sys", "/tmp"), space: fmt.Sprintf("thumbmill-docs-%d", os.Getpid())}
	if out, err := exec.Command("ip", "netns", "add", m.space).CombinedOutput(); err != nil {
		t.Skipf("cannot make a network namespace: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", m.space).Run() })
	m.must("ip link set lo up")
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	m.env = append(os.Environ(), "HOME=/root", "XDG_CONFIG_HOME=/root/.config", "REPOSITORY="+repository, "PROGRAMS="+programs.Build(t, programs.Thumbmill, programs.Loadtest))
	m.must(prepare)
	m.start("prometheus --config.file=/tmp/p.yml --storage.tsdb.path=/srv/prometheus --web.listen-address=127.0.0.1:9090")
	m.start("cd /srv/site && THUMBMILL_EDGE_TRUSTED_PROXIES=127.0.0.1 THUMBMILL_EDGE_ALLOW_UNSAFE=true bin/thumbmill serve --originals data/originals --thumbnails data/thumbnails")
	m.must(`for i in $(seq 300); do curl -fsS http://127.0.0.1:8889/api/v1/throttles | grep -q '"renderer":"' && break; sleep .1; done`)
	m.env = append(m.env, "TOKEN="+strings.TrimSpace(m.must("cat /root/.config/thumbmill/token")))
	renderer := regexp.MustCompile(`"renderer":"([^"]+)"`).FindStringSubmatch(m.must("curl -fsS http://127.0.0.1:8889/api/v1/throttles"))
	if renderer == nil {
		t.Fatal("no renderer is alive")
	}
	m.env = append(m.env, "RENDERER="+renderer[1])
	m.must("bin/loadtest originals --originals 2 --types jpg=1 data/originals && bin/loadtest run --originals 2 --types jpg=1 --url 'http://127.0.0.1:8888/unsafe/{width}x/{original}' --load 5s@10") // the planner needs this load
	return m
}

// prepare makes the files that the pages assume.
const prepare = `
cd "$REPOSITORY"
for user in nats thumbmill thumbmill-renderer; do adduser --system --quiet --no-create-home $user; done
mkdir -p /srv/site/bin /etc/thumbmill.d /etc/thumbmill /etc/nats /srv/prometheus /var/lib/thumbmill/originals /srv/site/data/originals
cp "$PROGRAMS/thumbmill" "$PROGRAMS/loadtest" /srv/site/bin/
ln -s /srv/site/bin/thumbmill /srv/site/bin/loadtest /usr/local/bin/
cp deploy/debian/10-thumbmill.yaml /etc/thumbmill.d/
printf 'SECURITY_KEY = "a key"\nQUALITY = 85\n' > /etc/thumbor.conf
printf '{"thumbnails": [{"path": "/unsafe/60x/cat.jpg"}]}' > /srv/site/list.json
echo '127.0.0.1 prometheus coordinator1' >> /etc/hosts
printf 'scrape_configs: [{job_name: thumbmill, scrape_interval: 1s, static_configs: [{targets: ["127.0.0.1:8889"]}]}]' > /tmp/p.yml
cd /srv/site && bin/loadtest originals --originals 1 --name cat.jpg data/originals
`

// shell makes a command that runs on the machine, in the site's folder.
func (m *machine) shell(line string) *exec.Cmd {
	line = strings.NewReplacer("THUMBMILL_EDGE_SECURITY_KEY=…", "THUMBMILL_EDGE_SECURITY_KEY=key", "renderer-…", "$RENDERER", "after.json", "before.json", "--window 1h", "--window 1m").Replace(line)
	cmd := exec.Command("ip", "netns", "exec", m.space, "chroot", m.root, "bash", "-euo", "pipefail", "-c", "cd /srv/site 2>/dev/null || true; "+line)
	cmd.Env = m.env
	return cmd
}

func (m *machine) must(line string) string {
	m.t.Helper()
	out, err := m.shell(line).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// start runs a program until the end of the test.
func (m *machine) start(line string) {
	m.t.Helper()
	log, err := os.Create(filepath.Join(m.t.TempDir(), "log"))
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := m.shell(strings.Replace(line, "&& ", "&& exec env ", 1))
	cmd.Stdout, cmd.Stderr = log, log
	ended, err := servers.Launch(cmd)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = log.Close()
		if text, _ := os.ReadFile(log.Name()); m.t.Failed() {
			m.t.Logf("%s:\n%s", line, text)
		}
	})
}
