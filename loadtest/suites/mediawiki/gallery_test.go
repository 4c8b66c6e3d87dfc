package mediawiki

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/photograph"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
)

const (
	galleryFiles  = 60
	galleryWidth  = 250
	galleryRounds = 5
	// browserConnections is how many requests a browser sends to one host at once over HTTP/1.1.
	browserConnections = 6
)

// painter makes the pictures of a gallery page.
type painter struct {
	address func(title string) string
	pid     int // its process; 0: its processor time is not measured
	took    []time.Duration
	used    []time.Duration // processor time
}

// A gallery page of sixty new photographs, from the reader's request to the last picture: thumbmill beside
// MediaWiki's own thumb.php, and imgproxy where it is installed, each behind the wiki's nginx. Each round has
// files of its own. The test measures, and asserts only that each picture comes. MediaWiki and thumbmill
// sharpen, and imgproxy does not: its mask for MediaWiki's sigma of 0.4 has one sample, and changes nothing.
func TestAGallery(t *testing.T) {
	onlyLong(t)
	proxy := servers.FreeAddress(t)
	m := setUp(t, inFolder, func(m *machine) {
		fmt.Fprintf(&m.nginx, "location /imgproxy/ { proxy_pass http://%s/; }\n", proxy)
	})
	all := m.painters(proxy)
	m.uploadGallery("Warm", browserConnections)
	for name, p := range all {
		m.readGallery(name, p, "Warm", browserConnections)
	}
	for round := range galleryRounds {
		set := fmt.Sprintf("Round%d", round)
		m.uploadGallery(set, galleryFiles)
		for name, p := range all { // in random order
			m.readGallery(name, p, set, galleryFiles)
		}
	}
	m.reportGallery(all)
}

// painters returns all painters that this machine has.
func (m *machine) painters(proxy string) map[string]*painter {
	all := map[string]*painter{
		"thumbmill": {pid: m.process.Process.Pid, address: func(title string) string { return m.thumbOf(title, galleryWidth) }},
		"thumb.php": {address: func(title string) string {
			return m.wiki.URL + "/own/thumb.php?" + url.Values{"f": {title}, "width": {fmt.Sprint(galleryWidth)}}.Encode()
		}},
	}
	if pid := startImgproxy(m.t, proxy, m.wiki.Images); pid != 0 {
		quality := m.settings().Render.Quality
		all["imgproxy"] = &painter{pid: pid, address: func(title string) string {
			return fmt.Sprintf("%s/imgproxy/unsafe/rs:fit:%d/q:%d/plain/local:///%s%s", m.wiki.URL, galleryWidth, quality, folders(title), title)
		}}
	}
	return all
}

// reportGallery logs the medians of each painter, and how similar one of its pictures is to MediaWiki's own.
func (m *machine) reportGallery(all map[string]*painter) {
	m.t.Helper()
	ours, own := all["thumbmill"], all["thumb.php"]
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := all[name]
		alike, err := ssim.Mean(m.picture(p), m.picture(own), 128)
		m.must(err)
		line := fmt.Sprintf("%-10s similarity %.3f; the last of %d pictures after %v", name, alike, galleryFiles, summary(ours.took, p.took))
		if p.pid != 0 {
			line += "; processor time " + summary(ours.used, p.used)
		}
		m.t.Log(line)
	}
}

// summary returns the median of a painter's rounds, their range, and thumbmill's part of it: the median of the
// rounds' ratios.
func summary(ours, theirs []time.Duration) string {
	var ratios []float64
	for i := range theirs {
		ratios = append(ratios, ours[i].Seconds()/theirs[i].Seconds())
	}
	const unit = 10 * time.Millisecond
	return fmt.Sprintf("%v (%v to %v), thumbmill's are %.2f of it", median(theirs).Round(unit), slices.Min(theirs).Round(unit), slices.Max(theirs).Round(unit), median(ratios))
}

func median[T cmp.Ordered](all []T) T { return slices.Sorted(slices.Values(all))[len(all)/2] }

func (m *machine) picture(p *painter) image.Image {
	m.t.Helper()
	picture, _, err := image.Decode(bytes.NewReader(m.get(p.address(galleryTitle("Warm", 0))).body))
	m.must(err)
	return picture
}

func galleryTitle(set string, n int) string { return fmt.Sprintf("%s_%d.jpg", set, n) }

// uploadGallery uploads photographs of three shapes, as cameras take them.
func (m *machine) uploadGallery(set string, files int) {
	m.t.Helper()
	if m.photographs == nil {
		for i, size := range [][2]int{{3000, 2000}, {2000, 3000}, {2400, 1600}} {
			body, err := photograph.JPEG(size[0], size[1], uint64(i)) //nolint:gosec // an index
			m.must(err)
			m.photographs = append(m.photographs, body)
		}
	}
	for n := range files {
		body := m.photographs[n%len(m.photographs)]
		m.wiki.Upload(galleryTitle(set, n), append(bytes.Clone(body), fmt.Sprint(set, n)...)) // no two files are equal
	}
}

// readGallery asks for a set's thumbnails as a browser does, and notes the time to the last one.
func (m *machine) readGallery(name string, p *painter, set string, files int) {
	m.t.Helper()
	queue := make(chan int, files)
	for n := range files {
		queue <- n
	}
	close(queue)
	used := func() time.Duration { return processes.TreeTime(p.pid) }
	before, began := processes.Settled(used), time.Now()
	var reading sync.WaitGroup
	for range browserConnections {
		reading.Go(func() {
			for n := range queue {
				if a := m.get(p.address(galleryTitle(set, n))); a.status != 200 || a.size() == (image.Point{}) {
					m.t.Errorf("%s: %s answers %d %.200s", name, galleryTitle(set, n), a.status, a.body)
				}
			}
		})
	}
	reading.Wait()
	took := time.Since(began)
	if files < galleryFiles { // it warms up
		return
	}
	p.took = append(p.took, took)
	if p.pid != 0 {
		p.used = append(p.used, processes.Settled(used)-before)
	}
}

// startImgproxy starts an imgproxy that reads a folder, and returns its process, or 0 where there is none.
func startImgproxy(t *testing.T, address, folder string) (pid int) {
	t.Helper()
	program, err := exec.LookPath("imgproxy")
	if err != nil {
		t.Log("imgproxy is not installed: the test compares without it")
		return 0
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "IMGPROXY_BIND="+address, "IMGPROXY_LOCAL_FILESYSTEM_ROOT="+folder, "IMGPROXY_LOG_LEVEL=error")
	ended, err := servers.Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	eventually.Succeeds(t, soon, "imgproxy answers", func() error {
		response, err := visitor(nil).Get("http://" + address + "/health")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	return cmd.Process.Pid
}
