package peers

import (
	"cmp"
	"crypto/md5" //nolint:gosec // MediaWiki's shards
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// peer is a server that users install themselves, with its settings for serving a folder.
// Arguments, environment and settings file can contain {port}, {dir} and {config}.
type peer struct {
	Name    string   `json:"name"` // also of its program; the variable NAME can have the program's path
	How     string   `json:"how"`  // how to get it
	Args    []string `json:"args"`
	Env     []string `json:"env"`     // NAME=value
	Config  string   `json:"config"`  // text of the settings file at {config}
	URL     string   `json:"url"`     // of a thumbnail, after the host: see contestant
	JPEG    string   `json:"jpeg"`    // its spelling of {format}
	Version []string `json:"version"` // arguments that print its version
}

const thumbors = "/unsafe/{width}x0/filters:quality(80):format({format})/{original}"

// known returns the known peers. Ratios are to the first installed one.
func known() []peer {
	return []peer{
		{
			Name: "imgproxy", How: "https://docs.imgproxy.net/installation",
			Env:  []string{"IMGPROXY_BIND=127.0.0.1:{port}", "IMGPROXY_LOCAL_FILESYSTEM_ROOT={dir}", "IMGPROXY_LOG_LEVEL=error"},
			URL:  "/insecure/rs:fit:{width}:0/q:80/plain/local:///{original}@{format}",
			JPEG: "jpg", Version: []string{"version"},
		},
		{
			Name: "imagor", How: "https://github.com/cshum/imagor; 1.5 and later need a newer libvips than Debian 12 and 13 have, 1.9 needs 8.18",
			Args: []string{"-bind", "127.0.0.1:{port}", "-imagor-unsafe", "-file-loader-base-dir", "{dir}"},
			URL:  thumbors, JPEG: "jpeg", Version: []string{"-version"},
		},
		{
			Name: "thumbor", How: "https://thumbor.readthedocs.io/en/latest/installing.html",
			Args:   []string{"--ip", "127.0.0.1", "--port", "{port}", "--conf", "{config}", "--processes", "0"}, // one for each core
			Config: "LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = '{dir}'\nSTORAGE = 'thumbor.storages.no_storage'\n",
			URL:    thumbors, JPEG: "jpeg", Version: []string{"--version"},
		},
	}
}

// wanted returns the peers of a JSON file, if there is one, and then the known peers. A peer of the
// file replaces a known one of the same name.
func wanted(file string) ([]peer, error) {
	if file == "" {
		return known(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []peer
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s is not a list of peers: %w", file, err)
	}
	for _, p := range all {
		if p.Name == "" || !strings.Contains(p.URL, "{original}") || !strings.Contains(p.URL, "{width}") {
			return nil, fmt.Errorf("%s: the peer %q lacks a name, or a url with {width} and {original}", file, p.Name)
		}
	}
	for _, k := range known() {
		if !slices.ContainsFunc(all, func(p peer) bool { return p.Name == k.Name }) {
			all = append(all, k)
		}
	}
	return all, nil
}

// contestant is a server under test. Its template can have {width}, {original}, {format}, and
// {hash}: the two folders that MediaWiki stores the original in.
type contestant struct {
	name, base string
	template   string
	jpeg       string
	process    process
}

// url returns the URL of a thumbnail. Without a format, it has the original's natural one.
func (c *contestant) url(r request) string {
	format := cmp.Or(r.format, natural(r.original))
	if format == "jpg" {
		format = cmp.Or(c.jpeg, format)
	}
	return c.base + strings.NewReplacer("{width}", strconv.Itoa(r.width), "{original}", r.original, "{format}", format,
		"{hash}", shard(r.original)).Replace(c.template)
}

// shard returns the folders that MediaWiki stores an original in.
func shard(original string) string {
	sum := md5.Sum([]byte(original)) //nolint:gosec // MediaWiki's shards
	hash := hex.EncodeToString(sum[:])
	return hash[:1] + "/" + hash[:2]
}

// natural returns the usual format of an original's thumbnails.
func natural(original string) string {
	extension := strings.TrimPrefix(filepath.Ext(original), ".")
	if extension == "svg" {
		return "png"
	}
	return extension
}

// contestants starts thumbmill and all installed peers. They stop when the benchmark ends.
func contestants(b *testing.B, dir string) (ours *contestant, peers []*contestant) {
	b.Helper()
	ours = startThumbmill(b, "thumbmill", build(b), dir)
	all, err := wanted(os.Getenv("PEERS"))
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range all {
		if path := p.find(); path != "" {
			peers = append(peers, p.run(b, path, dir))
		}
	}
	if len(peers) == 0 {
		b.Skip("no peer is installed")
	}
	return ours, peers
}

// withFewArenas returns the contestants, and additional peers with a setting of the peers' own
// images: with it, glibc uses less memory.
func withFewArenas(b *testing.B, dir string) (ours *contestant, peers []*contestant) {
	b.Helper()
	ours, peers = contestants(b, dir)
	for _, p := range known() {
		if path := p.find(); path != "" {
			p.Env = append(p.Env, "MALLOC_ARENA_MAX=2")
			again := p.run(b, path, dir)
			again.name += ", MALLOC_ARENA_MAX=2"
			peers = append(peers, again)
		}
	}
	return ours, peers
}

// find returns the path of a peer's program. If it is missing, find prints how to get it.
func (p peer) find() string {
	variable := strings.ToUpper(p.Name)
	path, err := exec.LookPath(cmp.Or(os.Getenv(variable), p.Name))
	if err != nil {
		fmt.Printf("%s is skipped: put it on the PATH, or set %s to its path (how to get it: %s).\n", p.Name, variable, p.How)
	}
	return path
}

func (p peer) run(b *testing.B, path, dir string) *contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	_, port, _ := strings.Cut(address, ":")
	config := filepath.Join(b.TempDir(), p.Name+".conf")
	fill := strings.NewReplacer("{port}", port, "{dir}", dir, "{config}", config).Replace
	write(b, config, []byte(fill(p.Config)))
	var args, env []string
	for _, a := range p.Args {
		args = append(args, fill(a))
	}
	for _, e := range p.Env {
		env = append(env, fill(e))
	}
	return &contestant{
		name: strings.TrimSpace(p.Name + " " + p.version(path)), base: "http://" + address, template: p.URL, jpeg: p.JPEG,
		process: start(b, address, env, path, args...),
	}
}

func (p peer) version(path string) string {
	if len(p.Version) == 0 {
		return ""
	}
	said, _ := exec.Command(path, p.Version...).CombinedOutput() // a failure gives an empty version
	return regexp.MustCompile(`\d+\.\d+(\.\d+)?`).FindString(string(said))
}

// build returns the program that THUMBMILL names, or builds this tree's.
func build(b *testing.B) string {
	b.Helper()
	if path := os.Getenv("THUMBMILL"); path != "" {
		return path
	}
	bin := filepath.Join(b.TempDir(), "thumbmill")
	if out, err := exec.Command("go", "build", "-o", bin, "../../..").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// startThumbmill starts thumbmill with its defaults, except two. Requests come from one address and
// count as many clients, so that no client's limit applies. Requests wait for a place as long as at a
// peer, so that a busy machine does not end a run.
func startThumbmill(b *testing.B, name, bin, dir string) *contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	process := start(b, address, []string{"THUMBMILL_THROTTLE_EXEMPT=127.0.0.0/8", "THUMBMILL_THROTTLE_QUEUE_WAIT=30s"}, bin, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0",
		"--coordinator-listen", "127.0.0.1:0", "--originals", dir, "--thumbnails", b.TempDir())
	return &contestant{name: name, base: "http://" + address, template: strings.Replace(thumbors, "x0", "x", 1), jpeg: "jpeg", process: process}
}

// start runs a server until the end of the benchmark, and waits until it answers.
func start(b *testing.B, address string, env []string, program string, args ...string) process {
	b.Helper()
	group := newGroup(b)
	said := filepath.Join(b.TempDir(), "said")
	out, err := os.Create(said)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", `[ -z "$0" ] || echo $$ > "$0/cgroup.procs"; exec "$@"`, group, program}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), out, out
	ended, err := servers.Launch(cmd)
	if err != nil {
		b.Fatal(err)
	}
	_ = out.Close()
	b.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	answers := eventually.Succeeds(b, 30*time.Second, program+" answers", func() error {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	})
	if !answers {
		text, _ := os.ReadFile(said)
		b.Fatalf("%s said:\n%s", program, text)
	}
	return process{pid: cmd.Process.Pid, group: group}
}

// theEarlier is the commit that the bound of MediaWiki's path refers to.
const theEarlier = "dfa5bb8"

// earlier compares thumbmill with an earlier version, on MediaWiki's path, which sharpens.
func earlier(b *testing.B, dir string) (ours *contestant, others []*contestant) {
	b.Helper()
	older := cmp.Or(os.Getenv("OLDER"), theEarlier)
	name := filepath.Base(older)
	if _, err := os.Stat(older); err != nil {
		older = buildCommit(b, older)
	}
	others = []*contestant{startThumbmill(b, "thumbmill "+name, older, dir)}
	ours = startThumbmill(b, "thumbmill", build(b), dir)
	for _, c := range append(others, ours) {
		c.template = "/wikipedia/commons/thumb/{hash}/{original}/{width}px-{original}"
	}
	return ours, others
}

// buildCommit builds thumbmill as it was at a commit. It skips the benchmark where the commit is missing, as in a
// shallow clone.
func buildCommit(b *testing.B, commit string) string {
	b.Helper()
	dir := b.TempDir()
	bin := filepath.Join(dir, "thumbmill")
	const script = `git -C ../../.. archive "$0" | tar -x -C "$1" && cd "$1" && go build -o thumbmill .`
	if out, err := exec.Command("sh", "-c", script, commit, dir).CombinedOutput(); err != nil {
		b.Skipf("build commit %s, or set OLDER to the path of an earlier thumbmill: %v\n%s", commit, err, out)
	}
	return bin
}
