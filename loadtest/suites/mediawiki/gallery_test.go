package mediawiki

import (
	"bytes"
	"fmt"
	"image"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	galleryFiles  = 60
	galleryWidth  = 250
	galleryRounds = 3
	// browserConnections is how many requests a browser sends to one host at once over HTTP/1.1.
	browserConnections = 6
)

// A gallery page of sixty new photographs, from the reader's request to the last picture: thumbmill beside
// MediaWiki's own thumb.php, and imgproxy where it is installed. Each round has files of its own. The test
// measures, and asserts only that each picture comes.
func TestAGallery(t *testing.T) {
	onlyLong(t)
	m := setUp(t, inFolder)
	renderers := map[string]func(title string) string{
		"thumbmill": func(title string) string { return m.thumbOf(title, galleryWidth) },
		"thumb.php": func(title string) string {
			return m.wiki.URL + "/own/thumb.php?" + url.Values{"f": {title}, "width": {fmt.Sprint(galleryWidth)}}.Encode()
		},
	}
	if proxy := startImgproxy(t, m.wiki.Images); proxy != "" {
		renderers["imgproxy"] = func(title string) string {
			return fmt.Sprintf("%s/unsafe/rs:fit:%d/plain/local:///%s%s", proxy, galleryWidth, folders(title), title)
		}
	}
	m.uploadGallery("Warm", 1)
	for name, address := range renderers {
		m.readGallery(name, address, "Warm", 1)
	}
	took := map[string][]time.Duration{}
	for round := range galleryRounds {
		set := fmt.Sprintf("Round%d", round)
		m.uploadGallery(set, galleryFiles)
		for name, address := range renderers { // in random order
			took[name] = append(took[name], m.readGallery(name, address, set, galleryFiles))
		}
	}
	fastest := time.Hour
	for name, all := range took {
		slices.Sort(all)
		t.Logf("%-10s the last of %d pictures after %v (median of %v)", name, galleryFiles, all[len(all)/2].Round(10*time.Millisecond), all)
		if name != "thumbmill" {
			fastest = min(fastest, all[len(all)/2])
		}
	}
	t.Logf("thumbmill takes %.2f of the faster one's time", took["thumbmill"][galleryRounds/2].Seconds()/fastest.Seconds())
}

func galleryTitle(set string, n int) string { return fmt.Sprintf("%s_%d.jpg", set, n) }

// uploadGallery uploads photographs of three shapes.
func (m *machine) uploadGallery(set string, files int) {
	m.t.Helper()
	var bodies [][]byte
	for _, size := range [][2]int{{3000, 2000}, {2000, 3000}, {2400, 1600}} {
		body, err := samples.JPEG(samples.Landscape(size[0], size[1]))
		m.must(err)
		bodies = append(bodies, body)
	}
	for n := range files {
		body := bodies[n%len(bodies)]
		m.wiki.Upload(galleryTitle(set, n), append(bytes.Clone(body), fmt.Sprint(set, n)...)) // no two files are equal
	}
}

// readGallery asks for a set's thumbnails as a browser does, and returns the time to the last one.
func (m *machine) readGallery(name string, address func(string) string, set string, files int) time.Duration {
	m.t.Helper()
	queue := make(chan int, files)
	for n := range files {
		queue <- n
	}
	close(queue)
	began := time.Now()
	var reading sync.WaitGroup
	for range browserConnections {
		reading.Go(func() {
			for n := range queue {
				if a := m.get(address(galleryTitle(set, n))); a.status != 200 || a.size() == (image.Point{}) {
					m.t.Errorf("%s: %s answers %d %.200s", name, galleryTitle(set, n), a.status, a.body)
				}
			}
		})
	}
	reading.Wait()
	return time.Since(began)
}

// startImgproxy returns the URL of an imgproxy that reads a folder, or "" where there is none.
func startImgproxy(t *testing.T, folder string) string {
	t.Helper()
	program, err := exec.LookPath("imgproxy")
	if err != nil {
		t.Log("imgproxy is not installed: the test compares without it")
		return ""
	}
	address := servers.FreeAddress(t)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "IMGPROXY_BIND="+address, "IMGPROXY_LOCAL_FILESYSTEM_ROOT="+folder, "IMGPROXY_LOG_LEVEL=error")
	ended, err := servers.Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	proxy := "http://" + address
	eventually.Succeeds(t, soon, "imgproxy answers", func() error {
		response, err := visitor(nil).Get(proxy + "/health")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	return proxy
}
