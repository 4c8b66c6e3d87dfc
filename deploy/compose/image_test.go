package compose

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const dockerfile = "../docker/Dockerfile"

// stage is one image of the Dockerfile.
type stage struct {
	name, from string
	user       string
	entrypoint []string
	runs       []string
	copies     []instruction
}

// instruction is a COPY.
type instruction struct {
	from, chown string // a stage, and who owns what comes of it; "" = the repository, and root
	what        []string
	to          string
}

func copies(words []string) (c instruction) {
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		flag, value, _ := strings.Cut(words[0], "=")
		switch flag {
		case "--from":
			c.from = value
		case "--chown":
			c.chown = value
		}
		words = words[1:]
	}
	c.what, c.to = words[:len(words)-1], words[len(words)-1]
	return c
}

// stages reads the Dockerfile. Each of its instructions is one line.
func stages(t *testing.T) map[string]*stage {
	t.Helper()
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*stage{}
	var now *stage
	for line := range strings.Lines(string(text)) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		words := strings.Fields(rest)
		switch instruction {
		case "FROM":
			now = &stage{from: words[0], name: words[2]}
			if base := all[now.from]; base != nil {
				now.user, now.entrypoint = base.user, base.entrypoint
			}
			all[now.name] = now
		case "RUN":
			now.runs = append(now.runs, rest)
		case "COPY":
			now.copies = append(now.copies, copies(words))
		case "USER":
			now.user = rest
		case "ENTRYPOINT":
			now.entrypoint = nil // that of the base, which stays as it is
			if err := json.Unmarshal([]byte(rest), &now.entrypoint); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		case "", "#", "WORKDIR":
		default:
			if !strings.HasPrefix(instruction, "#") {
				t.Fatalf("what does %q do?", line)
			}
		}
	}
	return all
}

// images are the roots of containers, made as the Dockerfile says: what it builds is built by
// its own commands; Debian with its packages is this machine's, which `make deps` gave them.
type images struct {
	t      *testing.T
	dir    string // of roots
	out    string // in place of /out, where stages build
	stages map[string]*stage
}

func newImages(t *testing.T) *images {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "thumbmill-compose-")
	if err != nil {
		t.Skipf("there is no file system in memory: %v", err)
	}
	i := &images{t: t, dir: dir, out: filepath.Join(dir, "out"), stages: stages(t)}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, name := range []string{"source", "static", "vips"} {
		for _, run := range i.stages[name].runs {
			if !strings.HasPrefix(run, "apt-get ") && run != "go mod download" {
				if name == "vips" { // so that what other tests have built is used again
					run = strings.Replace(run, "-trimpath ", "", 1)
				}
				i.shell(run)
			}
		}
	}
	i.shell("cp " + programs.Build(t, programs.NATSServer) + "/nats-server /out/") // which the stage "nats" has from its base
	return i
}

func (i *images) shell(command string) {
	i.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(command, "/out/", i.out+"/"))
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		i.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// root makes a root for one container of a stage; "" is this machine's file system alone.
func (i *images) root(container, name string) string {
	i.t.Helper()
	root := filepath.Join(i.dir, container)
	chain := i.chain(name)
	if len(chain) == 0 || chain[0].from != "scratch" {
		root = servers.Overlay(i.t)
	} else if err := os.Mkdir(root, 0o755); err != nil {
		i.t.Fatal(err)
	}
	for _, s := range chain {
		for _, c := range s.copies {
			i.copy(root, c)
		}
		for _, run := range s.runs {
			if !strings.HasPrefix(run, "apt-get ") {
				i.shell("chroot " + root + " " + run)
			}
		}
		if strings.HasPrefix(s.from, "nats:") {
			i.copy(root, instruction{from: "static", what: []string{"/out/nats-server"}, to: "/usr/local/bin/nats-server"})
		}
	}
	return root
}

// chain is the stages that an image is made of, the first of which stands on an image from
// elsewhere.
func (i *images) chain(name string) (chain []*stage) {
	for s := i.stages[name]; s != nil; s = i.stages[s.from] {
		chain = append([]*stage{s}, chain...)
	}
	return chain
}

// copy does what a COPY says, as engines do: of a folder what is in it, into one that is made
// where it is missing, all of it root's or the named owner's.
func (i *images) copy(root string, c instruction) {
	i.t.Helper()
	owner := cmp.Or(c.chown, "0:0")
	for _, from := range c.what {
		to := root + c.to
		if strings.HasSuffix(to, "/") && !i.isFolder(c, from) {
			to += filepath.Base(from)
		}
		parent := filepath.Dir(to)
		if i.isFolder(c, from) {
			from, parent = strings.TrimSuffix(from, "/")+"/.", to
		}
		i.shell("mkdir -p " + parent + " && cp -r " + from + " " + to + " && chown -R " + owner + " " + to)
	}
}

func (i *images) isFolder(c instruction, from string) bool {
	path := strings.Replace(from, "/out/", i.out+"/", 1)
	if c.from == "" {
		path = filepath.Join("../..", from)
	}
	info, err := os.Stat(path)
	if err != nil {
		i.t.Fatal(err)
	}
	return info.IsDir()
}
