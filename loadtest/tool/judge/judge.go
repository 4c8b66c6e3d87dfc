package judge

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Verdict is the judgement of one original.
type Verdict string

// The verdicts, from the best to the worst.
const (
	Right        Verdict = "right"         // like a reference
	BothRefuse   Verdict = "both refuse"   // no reference reads it either
	Unclear      Verdict = "unclear"       // references differ, and none is like the thumbnail
	Unreferenced Verdict = "no reference"  // drawn, but no decoder of its kind is installed
	DrawnAlone   Verdict = "drawn alone"   // no reference reads it
	WrongSize    Verdict = "wrong size"    // its shape is not the reference's
	Differs      Verdict = "differs"       // references agree, and the thumbnail is not like them
	RefusedHere  Verdict = "refused"       // a reference reads it
	TooSlow      Verdict = "over the time" // of one request
	Broken       Verdict = "5xx"           // or no answer
)

// Verdicts returns the verdicts in that order.
func Verdicts() []Verdict {
	return []Verdict{Right, BothRefuse, Unclear, Unreferenced, DrawnAlone, WrongSize, Differs, RefusedHere, TooSlow, Broken}
}

// Result is the result of one original.
type Result struct {
	Name       string        `json:"name"` // its path below the folder
	Kind       string        `json:"kind"`
	Verdict    Verdict       `json:"verdict"`
	Status     int           `json:"status,omitempty"`
	Took       time.Duration `json:"took"`
	Said       string        `json:"said,omitempty"`      // the refusal, or the defect
	Reference  string        `json:"reference,omitempty"` // the nearest decoder
	Difference Difference    `json:"difference"`
	ours       *image.NRGBA
	theirs     *image.NRGBA
}

// Config defines a run.
type Config struct {
	Dir   string // of originals
	Edge  string // an edge with the same originals, such as http://127.0.0.1:8888
	Width int    // of the thumbnails
	// Timeout bounds one request. Concurrency is the number of originals that are judged at once.
	Timeout     time.Duration
	Concurrency int
	Known       map[string]Result // results of an interrupted run by name; they are not judged again
	Done        func(Result)      // gets each result, one at a time
}

// Originals returns the files in and below a folder that some decoder can draw.
func Originals(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || Kind(path) == "" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	slices.Sort(names)
	return names, err
}

// Run judges all originals, until the context ends.
func Run(ctx context.Context, c Config, names []string) {
	j := &judging{config: c, client: &http.Client{Timeout: c.Timeout}}
	defer j.client.CloseIdleConnections()
	for _, d := range Decoders() {
		if d.Installed() {
			j.decoders = append(j.decoders, d)
		}
	}
	work := make(chan string)
	var group sync.WaitGroup
	for range c.Concurrency {
		group.Go(func() {
			for name := range work {
				j.judge(ctx, name)
			}
		})
	}
	for _, name := range names {
		if _, done := c.Known[name]; done {
			continue
		}
		select {
		case work <- name:
		case <-ctx.Done():
		}
	}
	close(work)
	group.Wait()
}

// judging is a run.
type judging struct {
	config   Config
	client   *http.Client
	decoders []Decoder
	mu       sync.Mutex // of Done
}

func (j *judging) judge(ctx context.Context, name string) {
	r := Result{Name: name, Kind: Kind(name)}
	a, err := j.get(ctx, name)
	r.Status, r.Took = a.Status, a.Took
	switch {
	case err != nil && a.Took >= j.config.Timeout:
		r.Verdict, r.Said = TooSlow, err.Error()
	case err != nil || a.Status >= http.StatusInternalServerError:
		r.Verdict, r.Said = Broken, said(a, err)
	default:
		j.compare(ctx, &r, a)
	}
	if ctx.Err() != nil {
		return // interrupted; the next run judges it
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.config.Done(r)
}

func said(a Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(a.Body[:min(len(a.Body), 200)]))
}

// mostAnswer bounds the size of an answer in bytes.
const mostAnswer = 256 << 20

// get requests the PNG of an original.
func (j *judging) get(ctx context.Context, name string) (a Answer, err error) {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	target := fmt.Sprintf("%s/unsafe/%dx0/filters:format(png)/%s", j.config.Edge, j.config.Width, strings.Join(parts, "/"))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return a, err
	}
	began := time.Now()
	defer func() { a.Took = time.Since(began) }()
	response, err := j.client.Do(request)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	a.Status, a.Type = response.StatusCode, response.Header.Get("Content-Type")
	a.Body, err = io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	return a, err
}

// compare sets the verdict from the references of the original's kind.
func (j *judging) compare(ctx context.Context, r *Result, a Answer) {
	references := j.references(ctx, *r)
	if a.Status != http.StatusOK {
		r.Verdict, r.Said = BothRefuse, said(a, nil)
		if len(references) > 0 {
			r.Verdict, r.Reference, r.theirs = RefusedHere, references[0].decoder, references[0].picture
		}
		return
	}
	p, err := Decode(ctx, a.Body)
	if err != nil {
		r.Verdict, r.Said = Broken, "cannot decode the thumbnail: "+err.Error()
		return
	}
	r.ours = p.Shown[0]
	r.against(references, j.reads(r.Kind))
}

func (j *judging) reads(kind string) bool {
	return slices.ContainsFunc(j.decoders, func(d Decoder) bool { return d.Reads(kind) })
}

// reference is a picture by another decoder.
type reference struct {
	decoder string
	picture *image.NRGBA
}

// references returns the pictures of all decoders that read the original.
func (j *judging) references(ctx context.Context, r Result) (all []reference) {
	for _, d := range j.decoders {
		if !d.Reads(r.Kind) {
			continue
		}
		if m, err := d.Read(ctx, filepath.Join(j.config.Dir, filepath.FromSlash(r.Name))); err == nil {
			all = append(all, reference{d.Name, smaller(m, j.config.Width)})
		}
	}
	return all
}

// smaller returns a picture of at most the given width, to save memory.
func smaller(m image.Image, width int) *image.NRGBA {
	size := m.Bounds().Size()
	if size.X <= width {
		return flat(m)
	}
	return scaled(m, image.Pt(width, max(1, (size.Y*width+size.X/2)/size.X)))
}

// against compares with each reference: a thumbnail like one of them is right. If references
// differ, and none is like the thumbnail, the verdict is Unclear.
func (r *Result) against(references []reference, readers bool) {
	switch {
	case len(references) == 0 && readers:
		r.Verdict = DrawnAlone
		return
	case len(references) == 0:
		r.Verdict = Unreferenced
		return
	}
	r.Verdict = WrongSize
	best := -1.0
	for _, reference := range references {
		d := Compare(r.ours, reference.picture)
		if shaped := sameShape(r.ours, reference.picture); shaped {
			r.Verdict = Differs
			if d.Near() {
				*r = Result{r.Name, r.Kind, Right, r.Status, r.Took, "", reference.decoder, d, r.ours, reference.picture}
				return
			}
		}
		if best < 0 || d.Score() < best {
			best, r.Difference, r.Reference, r.theirs = d.Score(), d, reference.decoder, reference.picture
		}
	}
	if r.Verdict == Differs && !agree(references) {
		r.Verdict = Unclear
	}
}

// agree reports whether references are alike.
func agree(references []reference) bool {
	for _, r := range references[1:] {
		if !sameShape(r.picture, references[0].picture) || !Compare(r.picture, references[0].picture).Near() {
			return false
		}
	}
	return true
}

// sameShape reports whether the pictures have the same aspect ratio, except for rounding. If the
// reference is small, the rounding of both counts.
func sameShape(a, b *image.NRGBA) bool {
	x, y := a.Rect.Size(), b.Rect.Size()
	scale := float64(x.X) / float64(y.X)
	return abs(float64(x.Y)-scale*float64(y.Y)) <= 1+scale
}

func abs(v float64) float64 { return max(v, -v) }
