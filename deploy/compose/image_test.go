package compose

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const dockerfile = "../docker/Dockerfile"

// stage is an image of the Dockerfile.
type stage struct {
	name, from string
	user       string
	entrypoint []string
	runs       []string
	copies     []instruction
}

// instruction is a COPY instruction, or a RUN that copies a stage's folder with its owners.
type instruction struct {
	from, chown string // the source stage ("" means the repository), and the owner of the copies ("" means root)
	what        []string
	to          string
	owners      bool // the copies have the owners of the source
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

// copied returns the instruction of a RUN that copies a stage's folder into the root.
func copied(run string) (c instruction, is bool) {
	mount, command, _ := strings.Cut(run, " ")
	if command != "cp -a /mnt/. /" {
		return c, false
	}
	c = instruction{to: "/", owners: true}
	for option := range strings.SplitSeq(mount, ",") {
		switch name, value, _ := strings.Cut(option, "="); name {
		case "from":
			c.from = value
		case "source":
			c.what = []string{value}
		}
	}
	return c, true
}

// installs reports whether a command installs packages, which this machine has.
func installs(run string) bool { return strings.HasPrefix(run, "--mount=type=bind,from=lists,") }

// withoutCache returns a command without the flag that gives it a folder of the builder.
func withoutCache(run string) string {
	if flag, command, found := strings.Cut(run, " "); found && strings.HasPrefix(flag, "--mount=type=cache,") {
		return command
	}
	return run
}

// stages parses the Dockerfile. Each of its instructions has one line.
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
			if c, is := copied(rest); is {
				now.copies = append(now.copies, c)
			} else {
				now.runs = append(now.runs, withoutCache(rest))
			}
		case "COPY":
			now.copies = append(now.copies, copies(words))
		case "USER":
			now.user = rest
		case "ENTRYPOINT":
			now.entrypoint = nil // else Unmarshal writes into the base's slice
			if err := json.Unmarshal([]byte(rest), &now.entrypoint); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		case "", "#", "ARG", "ENV", "WORKDIR", "LABEL":
		default:
			if !strings.HasPrefix(instruction, "#") {
				t.Fatalf("the test does not support the instruction %q", line)
			}
		}
	}
	return all
}

// images makes the roots of containers from the Dockerfile. It runs the file's build commands on
// this machine. Instead of Debian's images it uses this machine's file system, with the packages of
// `make deps`. Without THUMBMILL_COMPOSE, programs that the Dockerfile links statically are linked
// dynamically, and roots that start from scratch start from this machine's file system too.
type images struct {
	t      *testing.T
	dir    string // of the roots
	out    string // instead of /out, the output folder of stages
	whole  bool   // static programs in empty roots, as in the Dockerfile
	stages map[string]*stage
}

func newImages(t *testing.T) *images {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "thumbmill-compose-")
	if err != nil {
		t.Skipf("there is no file system in memory: %v", err)
	}
	i := &images{t: t, dir: dir, out: filepath.Join(dir, "out"), stages: stages(t), whole: os.Getenv("THUMBMILL_COMPOSE") != ""}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, name := range []string{"nats-server", "static", "servers", "vips"} {
		for _, run := range i.stages[name].runs {
			i.shell(i.shortened(name, run))
		}
	}
	return i
}

// shortened returns a stage's command as the short form runs it: with the flags of the other tests,
// whose build cache it then shares. A static build compiles every package once more, which takes
// four minutes of processor time where nothing is cached.
func (i *images) shortened(stage, run string) string {
	if stage == "vips" || !i.whole {
		run = strings.Replace(run, "-trimpath ", "", 1)
	}
	if !i.whole {
		run = strings.Replace(run, "CGO_ENABLED=0 ", "", 1)
	}
	return run
}

func (i *images) shell(command string) {
	i.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(command, "/out/", i.out+"/"))
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		i.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// root makes the root of one container from a stage. The stage "" means only this machine's file
// system.
func (i *images) root(container, name string) string {
	i.t.Helper()
	root := filepath.Join(i.dir, container)
	chain := i.chain(name)
	if len(chain) == 0 || chain[0].from != "scratch" || !i.whole {
		root = servers.OverlayWithEmpty(i.t, i.folders(chain)...)
	} else if err := os.Mkdir(root, 0o755); err != nil {
		i.t.Fatal(err)
	}
	for _, s := range chain {
		for _, c := range s.copies {
			i.copy(root, c)
		}
		for _, run := range s.runs {
			if !installs(run) {
				i.shell("chroot " + root + " " + run)
			}
		}
	}
	return root
}

// folders returns the folders that the stages bring along for their programs to write to. This machine can have
// others of the same names, such as /work with a checkout.
func (i *images) folders(chain []*stage) (all []string) {
	i.t.Helper()
	for _, s := range chain {
		for _, c := range s.copies {
			i.supported(c)
			entries, err := os.ReadDir(strings.Replace(c.what[0], "/out/", i.out+"/", 1))
			if err != nil {
				i.t.Fatal(err)
			}
			for _, entry := range entries {
				if c.chown != "" || c.owners && !rootOwns(i.t, entry) {
					all = append(all, "/"+entry.Name())
				}
			}
		}
	}
	return all
}

func rootOwns(t *testing.T, entry os.DirEntry) bool {
	t.Helper()
	info, err := entry.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid == 0
}

// chain returns the stages that an image consists of. The first one is based on an external image.
func (i *images) chain(name string) (chain []*stage) {
	for s := i.stages[name]; s != nil; s = i.stages[s.from] {
		chain = append([]*stage{s}, chain...)
	}
	return chain
}

// copy copies the contents of a stage's folder into a root, as engines do. The copies belong to root, to the named owner,
// or to the source's owners.
func (i *images) copy(root string, c instruction) {
	i.t.Helper()
	i.supported(c)
	if c.owners {
		i.shell("cp -a " + c.what[0] + "/. " + root)
		return
	}
	user, group, _ := strings.Cut(cmp.Or(c.chown, "0:0"), ":")
	i.shell("tar -C " + c.what[0] + " --numeric-owner --owner=" + user + " --group=" + group + " -c $(ls -A " + c.what[0] + ") | tar -C " + root + " --numeric-owner -x")
}

// supported fails the test for a copy that is not a stage's folder, or that goes elsewhere than into the root.
func (i *images) supported(c instruction) {
	i.t.Helper()
	if len(c.what) != 1 || c.from == "" || c.to != "/" {
		i.t.Fatalf("the test does not support a copy of %v to %s", c.what, c.to)
	}
}
