package corpora

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/loadtest/tool/judge"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	goleak.VerifyTestMain(m)
}

// question is a request and its right answer.
type question struct {
	name    string // of the original
	request string // between /unsafe/ and the name, or MediaWiki's path
	want    judge.Expectation
}

func (q question) String() string { return q.name + " " + q.request }

// container is a container of MediaWiki's. Its files are at any hash.
const container = "wikipedia-commons-local-public/a/ab"

func (q question) path() string {
	end, isMediaWiki := strings.CutPrefix(q.request, mediawiki+"/")
	if !isMediaWiki {
		return "/unsafe/" + q.request + "/" + url.PathEscape(q.name)
	}
	name := url.PathEscape(q.name)
	return "/wikipedia/commons/thumb/a/ab/" + name + "/" + strings.ReplaceAll(end, "{name}", name)
}

// workers is the number of questions at once.
const workers = 2

// ask sends questions to a cluster over a folder of originals. All answers must be right, except
// for known faults.
func ask(t *testing.T, originals string, all []question, notYet []known) {
	t.Helper()
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = originals
		s.Renderer.Slots = workers
		s.Throttle.PerIP.Shadow = true
		s.Throttle.Failure.Max = 1000
	}})
	verdicts := make([]error, len(all))
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				verdicts[i] = all[i].verdict(t, c, originals)
			}
		})
	}
	group.Wait()
	report(t, all, verdicts, notYet)
}

// verdict returns the defects of the answer.
func (q question) verdict(t *testing.T, c *cluster.Cluster, originals string) error {
	got := c.Get(t.Context(), c.Edges[0], q.path(), "192.0.2.1")
	if got.Err != nil {
		return got.Err
	}
	a := judge.Answer{Status: got.Status, Type: got.Header.Get("Content-Type"), Body: got.Body}
	if a.Status != 200 {
		return q.want.Check(a, judge.Picture{})
	}
	p, err := judge.Decode(t.Context(), a.Body)
	if err != nil {
		return err
	}
	return errors.Join(q.want.Check(a, p), q.want.CheckLike(t.Context(), p, filepath.Join(originals, q.name)))
}

// known describes questions with a known fault.
type known struct {
	pattern string // in the syntax of path.Match, for names of originals
	reason  string
}

// report prints a table. It fails the test for an unknown fault, and for a known fault that is
// right now.
func report(t *testing.T, all []question, verdicts []error, notYet []known) {
	t.Helper()
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	right, wrong := 0, make([]int, len(notYet))
	for i, q := range all {
		if verdicts[i] == nil {
			right++
			continue
		}
		why := "NEW"
		if at := slices.IndexFunc(notYet, func(k known) bool { return k.matches(q) }); at >= 0 {
			why = notYet[at].reason
			wrong[at]++
		} else {
			t.Errorf("%s: %s", q, oneLine(verdicts[i]))
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", q, why, oneLine(verdicts[i])) // to memory
	}
	_ = w.Flush() // to memory
	t.Logf("\n%sof %d questions, %d are answered right", table.String(), len(all), right)
	for i, k := range notYet {
		if wrong[i] == 0 {
			t.Errorf("%s is right now: remove it from the list (%s)", k.pattern, k.reason)
		}
	}
}

func (k known) matches(q question) bool {
	is, err := path.Match(k.pattern, q.name)
	return err == nil && is
}

func oneLine(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// copyFiles copies the files of a folder, once as they are and once into MediaWiki's container.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(to, container), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		for _, target := range []string{filepath.Join(to, f.Name()), filepath.Join(to, container, f.Name())} {
			if err := copyFile(filepath.Join(from, f.Name()), target); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// gif2webp writes a WebP with the same frames beside a GIF.
func gif2webp(t *testing.T, path string) {
	t.Helper()
	webp := strings.TrimSuffix(path, ".gif") + ".webp"
	if said, err := exec.Command("gif2webp", "-quiet", path, "-o", webp).CombinedOutput(); err != nil {
		t.Fatalf("gif2webp: %v %s", err, said)
	}
}
