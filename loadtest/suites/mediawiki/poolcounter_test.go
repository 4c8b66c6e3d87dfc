package mediawiki

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// Variables that name MediaWiki's clients, which Debian 12's package lacks: the folder of the extension
// PoolCounter for MediaWiki 1.39, and the folder of a MediaWiki from 1.40 on.
const (
	extensionFolder = "THUMBMILL_WIKI_POOLCOUNTER"
	coreFolder      = "THUMBMILL_WIKI_CORE"
)

// step is one command of one of MediaWiki's processes (testdata/poolcounter.php), and the client's answer.
// waits leaves the answer to a later step without a command.
type step struct {
	process int
	command string
	answer  string
	waits   bool
}

var conversations = map[string][]step{
	"one works, one takes the result": {
		{0, "new a page 1 4 15", "made", false}, {1, "new a page 1 4 15", "made", false},
		{0, "any a", "LOCKED", false}, {1, "any a", "", true},
		{0, "release a", "RELEASED", false}, {1, "", "DONE", false},
		{1, "release a", "NOT_LOCKED", false},
	},
	"one works, one works after it": {
		{0, "new a page 1 4 15", "made", false}, {1, "new a page 1 4 15", "made", false},
		{0, "me a", "LOCKED", false}, {1, "me a", "", true},
		{0, "release a", "RELEASED", false}, {1, "", "LOCKED", false}, {1, "release a", "RELEASED", false},
	},
	"fast stale: no wait at first, then one": {
		{0, "new a page 1 4 15", "made", false}, {1, "new a page 1 4 15", "made", false},
		{0, "any a 0", "LOCKED", false}, {1, "any a 0", "TIMEOUT", false}, {1, "any a", "", true},
		{0, "release a", "RELEASED", false}, {1, "", "DONE", false},
	},
	"a wait that takes too long": {
		{0, "new a page 1 4 15", "made", false}, {1, "new a page 1 4 1", "made", false},
		{0, "me a", "LOCKED", false}, {1, "me a", "TIMEOUT", false}, {1, "me a 0", "TIMEOUT", false},
		{0, "release a", "RELEASED", false}, {1, "me a", "LOCKED", false}, {1, "release a", "RELEASED", false},
	},
	"a full queue, with and without a wait": {
		{0, "new a page 1 1 15", "made", false}, {1, "new a page 1 1 15", "made", false},
		{0, "any a", "LOCKED", false}, {1, "any a", "QUEUE_FULL", false}, {1, "any a 0", "QUEUE_FULL", false}, {1, "me a 0", "QUEUE_FULL", false},
		{0, "release a", "RELEASED", false}, {1, "me a 0", "LOCKED", false}, {1, "release a", "RELEASED", false},
	},
	"two workers, and no room for waiting": {
		{0, "new a page 2 2 15", "made", false}, {1, "new a page 2 2 15", "made", false}, {2, "new a page 2 2 15", "made", false},
		{0, "me a 0", "LOCKED", false}, {1, "me a 0", "LOCKED", false}, {2, "me a 0", "QUEUE_FULL", false},
		{0, "release a", "RELEASED", false}, {2, "me a 0", "LOCKED", false},
	},
	"a key with a space": {
		{0, "new a page+one 1 1 15", "made", false}, {1, "new a page+one 1 1 15", "made", false},
		{0, "me a", "LOCKED", false}, {1, "me a", "QUEUE_FULL", false}, {0, "release a", "RELEASED", false},
	},
	"a second lock of a process": {
		{0, "new a page 1 4 15", "made", false}, {0, "new b other 1 4 15", "made", false},
		{0, "me a", "LOCKED", false}, {0, "me b", "poolcounter-usage-error", false}, {0, "release a", "RELEASED", false}, {0, "release b", "NOT_LOCKED", false},
	},
}

// MediaWiki's own client has the same conversations with our coordinator as with the original, line by line.
func TestMediaWikisPoolCounterClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]client{
		"the extension of 1.39": {"/usr/share/mediawiki", os.Getenv(extensionFolder)},
		"the core from 1.40 on": {os.Getenv(coreFolder), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.mediaWiki == "" || c.extension == "" && strings.HasPrefix(c.mediaWiki, "/usr/") {
				t.Skipf("%s names the folder of the extension PoolCounter, branch REL1_39, a clone of github.com/wikimedia/mediawiki-extensions-PoolCounter, since Debian has no package of it; %s names the folder that fetch-core makes", extensionFolder, coreFolder)
			}
			ours, original := servers.StartCoordinator(t).Address, servers.Poolcounterd(t)
			for name, steps := range conversations {
				t.Run(name, func(t *testing.T) {
					got, want := c.converse(t, ours, steps), c.converse(t, original, steps)
					for i := range got {
						if !slices.Equal(got[i], want[i]) {
							t.Errorf("process %d with our coordinator:\n%s\nwith the original:\n%s", i, strings.Join(got[i], "\n"), strings.Join(want[i], "\n"))
						}
					}
				})
			}
			t.Run("a pool whose timeout is 0", func(t *testing.T) { c.withoutPatience(t, ours, original) })
		})
	}
}

// withoutPatience asks for a pool whose timeout is 0. MediaWiki's client then waits no time for an answer: it
// reads nothing, or the answer to an earlier command, and sends the next command meanwhile. The original
// loses commands that arrive together. Our coordinator answers each.
func (c client) withoutPatience(t *testing.T, ours, original string) {
	const times = 25
	steps := []step{{0, "new a nowait:page 1 2 0", "made", false}}
	for range times {
		steps = append(steps, step{0, "me a", "*", false}, step{0, "release a", "*", false})
	}
	got, want := c.converse(t, ours, steps)[0], c.converse(t, original, steps)[0]
	for daemon, lines := range map[string][]string{"our coordinator": got, "the original": want} {
		t.Logf("%s: the client gives up on %d answers; %d commands have %d answers", daemon, count(lines, "read-error"), count(lines, "> "), count(lines, "< "))
	}
	if count(got, "> ") != count(got, "< ") {
		t.Errorf("our coordinator does not answer each command:\n%s", strings.Join(got, "\n"))
	}
}

// The page's pools are on our coordinator.
func TestThePagesPools(t *testing.T) {
	t.Parallel()
	if os.Getenv(coreFolder) == "" {
		t.Skipf("%s does not name the folder of a MediaWiki with a PoolCounter client", coreFolder)
	}
	coordinator, settings := servers.StartCoordinator(t).Address, filepath.Join(t.TempDir(), "pools.php")
	for _, b := range blocks(t, pools...) {
		if err := os.WriteFile(settings, []byte("<?php\n"+strings.ReplaceAll(b.text, "127.0.0.1:7531", coordinator)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := client{os.Getenv(coreFolder), ""}.converse(t, "", []step{
		{0, "read " + settings, "read", false}, {1, "read " + settings, "read", false}, {2, "read " + settings, "read", false},
		{0, "pool a ArticleView k", "made", false}, {1, "pool a ArticleView k", "made", false}, {2, "pool a ArticleView k", "made", false},
		{0, "any a", "LOCKED", false}, {1, "any a", "LOCKED", false}, {2, "any a 0", "TIMEOUT", false},
		{0, "release a", "RELEASED", false}, {2, "me a", "LOCKED", false},
	})
	if len(lines[0]) == 0 {
		t.Error("the first process said nothing")
	}
}

// count returns the number of lines that have a text.
func count(lines []string, text string) (n int) {
	for _, line := range lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// client is one of MediaWiki's clients: the folder of MediaWiki, and the extension's folder or "".
type client struct{ mediaWiki, extension string }

// converse returns the lines of each process in both directions, and the client's own answers.
func (c client) converse(t *testing.T, daemon string, steps []step) (lines [3][]string) {
	t.Helper()
	var processes [3]*process
	for _, s := range steps {
		p := processes[s.process]
		if p == nil {
			p = c.start(t, daemon)
			processes[s.process] = p
		}
		p.lines.say("says " + s.command)
		if s.command != "" {
			_, _ = io.WriteString(p.in, s.command+"\n")
		}
		if s.waits {
			oneWaits(t, daemon)
			continue
		}
		patience := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() }) // a daemon may lose an answer
		answer, _ := p.out.ReadString('\n')
		patience.Stop()
		answer = strings.TrimSpace(answer)
		p.lines.say("answers " + answer)
		if s.answer != "*" && answer != s.answer {
			t.Errorf("%s: the client answers %q to %q, want %q", daemon, answer, s.command, s.answer)
		}
	}
	for i, p := range processes {
		if p != nil {
			lines[i] = p.stop()
		}
	}
	return lines
}

// process is one of MediaWiki's, with testdata/poolcounter.php.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	lines *recorder // between it and the daemon
}

func (c client) start(t *testing.T, daemon string) *process {
	t.Helper()
	lines := record(t, daemon)
	cmd := exec.CommandContext(t.Context(), "php", filepath.Join("testdata", "poolcounter.php"), c.mediaWiki, c.extension, lines.address)
	cmd.Stderr = os.Stderr
	in, out, err := servers.Piped(cmd)
	if err != nil {
		t.Skipf("%v: run `make deps`", err)
	}
	return &process{cmd, in, bufio.NewReader(out), lines}
}

// stop returns its lines.
func (p *process) stop() []string {
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
	return p.lines.end()
}

// oneWaits returns when a request waits at the daemon.
func oneWaits(t *testing.T, daemon string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", daemon, soon)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(soon))
	lines := bufio.NewReader(conn)
	eventually.Holds(t, soon, "a request waits", func() bool {
		_, _ = io.WriteString(conn, "STATS waiting_workers\n")
		line, _ := lines.ReadString('\n')
		return strings.TrimSpace(line) == "waiting_workers: 1"
	})
}

// recorder passes connections on to a daemon, and notes each line of both directions.
type recorder struct {
	address  string
	listener net.Listener
	passing  sync.WaitGroup
	mu       sync.Mutex
	lines    []string
}

func record(t *testing.T, daemon string) *recorder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{address: listener.Addr().String(), listener: listener}
	r.passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.passing.Go(func() { r.pass(conn.(*net.TCPConn), daemon) })
		}
	})
	return r
}

func (r *recorder) pass(conn *net.TCPConn, daemon string) {
	defer func() { _ = conn.Close() }()
	there, err := net.DialTimeout("tcp", daemon, soon)
	if err != nil {
		return
	}
	defer func() { _ = there.Close() }()
	var asking sync.WaitGroup
	asking.Go(func() {
		r.copyLines("> ", there, conn)
		_ = there.(*net.TCPConn).CloseWrite()
	})
	r.copyLines("< ", conn, there)
	asking.Wait()
}

// copyLines goes on to read after the other side has gone, because its lines are noted all the same.
func (r *recorder) copyLines(direction string, to io.Writer, from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		r.say(direction + lines.Text())
		_, _ = io.WriteString(to, lines.Text()+"\n")
	}
}

func (r *recorder) say(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// end returns the lines after the end of all connections.
func (r *recorder) end() []string {
	_ = r.listener.Close()
	r.passing.Wait()
	return r.lines
}
