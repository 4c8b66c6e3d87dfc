package peers

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// peer is a server that users install themselves, and how it serves a folder.
type peer struct {
	name     string
	variable string // of the environment, that names its program; else the name is looked for on the PATH
	how      string // to get it
	start    func(port, dir string) (args, env []string)
	// template is the path of a thumbnail: {width}, {original}, {format} as it spells jpeg.
	template string
	jpeg     string
	version  []string // arguments with which it tells its version
}

const thumbors = "/unsafe/{width}x0/filters:quality(80):format({format})/{original}"

// known are the peers, of which the first that is here is what ratios are to.
func known() []peer {
	return []peer{
		{
			name: "imgproxy", variable: "IMGPROXY", how: "build it from its repository with this machine's libvips",
			start: func(port, dir string) (args, env []string) {
				return nil, []string{
					"IMGPROXY_BIND=127.0.0.1:" + port, "IMGPROXY_LOCAL_FILESYSTEM_ROOT=" + dir,
					"IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES=true", "IMGPROXY_LOG_LEVEL=error",
				}
			},
			template: "/insecure/rs:fit:{width}:0/q:80/plain/local:///{original}@{format}", jpeg: "jpg", version: []string{"version"},
		},
		{
			name: "imagor", variable: "IMAGOR", how: "build it from its repository; 1.5 and later want libvips 8.15 and later",
			start: func(port, dir string) (args, env []string) {
				return []string{"-port", port, "-imagor-unsafe", "-file-loader-base-dir", dir}, nil
			},
			template: thumbors, jpeg: "jpeg", version: []string{"-version"},
		},
		{
			name: "thumbor", variable: "THUMBOR", how: "pip install thumbor",
			start: func(port, dir string) (args, env []string) {
				return []string{"--port", port, "--conf", dir + "/thumbor.conf"}, nil
			},
			template: thumbors, jpeg: "jpeg", version: []string{"--version"},
		},
	}
}

// contestant is a server under test.
type contestant struct {
	name, base string
	template   string
	jpeg       string
	process    *exec.Cmd
}

// url is where a thumbnail is, natural to the original unless a format is given.
func (c *contestant) url(original, format string, width int) string {
	format = cmp.Or(format, natural(original))
	if format == "jpg" {
		format = c.jpeg
	}
	return c.base + strings.NewReplacer("{width}", strconv.Itoa(width), "{original}", original, "{format}", format).Replace(c.template)
}

// natural is the format that thumbnails of an original have.
func natural(original string) string {
	switch extension := strings.TrimPrefix(filepath.Ext(original), "."); extension {
	case "svg":
		return "png"
	default:
		return extension
	}
}

// contestants starts thumbmill and all peers that are here. Each stops when the benchmark ends.
func contestants(b *testing.B, dir string) (ours *contestant, peers []*contestant) {
	b.Helper()
	ours = startThumbmill(b, "thumbmill", build(b), dir)
	for _, p := range known() {
		program := cmp.Or(os.Getenv(p.variable), p.name)
		path, err := exec.LookPath(program)
		if err != nil {
			fmt.Printf("%s is left out: it is not on the PATH, and %s names no program. To get it, %s.\n", p.name, p.variable, p.how)
			continue
		}
		peers = append(peers, p.run(b, path, dir))
	}
	if len(peers) == 0 {
		b.Skip("no peer is installed")
	}
	return ours, peers
}

func (p peer) run(b *testing.B, path, dir string) *contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	_, port, _ := strings.Cut(address, ":")
	args, env := p.start(port, dir)
	if p.name == "thumbor" {
		writeThumborConf(b, dir)
	}
	said, _ := exec.Command(path, p.version...).CombinedOutput() // some have no such argument
	version := regexp.MustCompile(`\d+\.\d+(\.\d+)?`).FindString(string(said))
	process := start(b, address, env, path, args...)
	return &contestant{name: strings.TrimSpace(p.name + " " + version), base: "http://" + address, template: p.template, jpeg: p.jpeg, process: process}
}

func writeThumborConf(b *testing.B, dir string) {
	b.Helper()
	conf := fmt.Sprintf("LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = %q\nRESULT_STORAGE = None\nSTORAGE = 'thumbor.storages.no_storage'\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "thumbor.conf"), []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
}

func build(b *testing.B) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), "thumbmill")
	if out, err := exec.Command("go", "build", "-o", bin, "../../..").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func startThumbmill(b *testing.B, name, bin, dir string) *contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	process := start(b, address, nil, bin, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0",
		"--originals", dir, "--thumbnails", b.TempDir())
	return &contestant{name: name, base: "http://" + address, template: strings.Replace(thumbors, "x0", "x", 1), jpeg: "jpeg", process: process}
}

// start runs a server until the benchmark's end, and waits until it answers.
func start(b *testing.B, address string, env []string, program string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	ended, err := servers.Launch(cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	answers := eventually.Succeeds(b, 30*time.Second, program+" answers", func() error {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	})
	if !answers {
		b.Fatal(said.String())
	}
	return cmd
}

// earlier is thumbmill beside an earlier one, each sharpening as MediaWiki does.
func earlier(b *testing.B, dir string) (ours *contestant, others []*contestant) {
	b.Helper()
	older := os.Getenv("OLDER")
	if older == "" {
		b.Skip("OLDER names no thumbmill of an earlier version")
	}
	others = []*contestant{startThumbmill(b, "an earlier thumbmill", older, dir)}
	ours = startThumbmill(b, "thumbmill", build(b), dir)
	for _, c := range append(others, ours) {
		c.template = strings.Replace(c.template, "quality(80)", "quality(79):conditional_sharpen(0.0,0.8,1.0,0.0,0.85)", 1)
	}
	return ours, others
}
