package thumbor

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// leastWhole is the share of imgproxy's URLs whose whole pictures must agree. The others are crops of a turned
// photograph, CMYK, and 16-bit grey as WebP.
const leastWhole = 0.9

// imgproxy itself and thumbmill answer the same URLs with the same size, format and picture, pixel by pixel.
// THUMBMILL_IMGPROXY is the path of the program.
func TestBesideImgproxy(t *testing.T) {
	program := os.Getenv("THUMBMILL_IMGPROXY")
	if program == "" {
		t.Skip("set THUMBMILL_IMGPROXY to the path of imgproxy")
	}
	theirs := startImgproxy(t, program)
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = "testdata/originals"
		s.Imgproxy.Enabled = true
		s.Throttle.PerIP.Shadow = true
	}})
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	agreed, urls := 0, ImgproxyURLs()
	for _, url := range urls {
		want, err := Unsafe(client, theirs, url)
		if err != nil {
			t.Fatalf("imgproxy: %s: %v", url, err)
		}
		got, err := Unsafe(client, "http://"+c.Edges[0].Addr(), url)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		switch why := differs(url, nil, want, got); {
		case why != "":
			t.Logf("%s: %s", url, why)
		case want.picture != nil && Distance(got.pixels(), want.pixels()) > near:
			t.Logf("%s: RMS %.1f", url, Distance(got.pixels(), want.pixels()))
		default:
			agreed++
		}
	}
	t.Logf("%d of %d agree", agreed, len(urls))
	if float64(agreed) < leastWhole*float64(len(urls)) {
		t.Errorf("%d of %d agree, at least %.0f %% must", agreed, len(urls), 100*leastWhole)
	}
}

// startImgproxy starts imgproxy on the originals until the end of the test, and returns its URL.
func startImgproxy(t *testing.T, program string) string {
	t.Helper()
	folder, err := filepath.Abs("testdata/originals")
	if err != nil {
		t.Fatal(err)
	}
	address := servers.FreeAddress(t)
	command := exec.Command(program)
	command.Env = append(os.Environ(), "IMGPROXY_BIND="+address, "IMGPROXY_LOCAL_FILESYSTEM_ROOT="+folder, "IMGPROXY_LOG_LEVEL=error")
	ended, err := servers.Launch(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); <-ended })
	listens(t, "imgproxy", address)
	return "http://" + address
}

// listens waits until a server takes connections.
func listens(t *testing.T, name, address string) {
	t.Helper()
	if !eventually.Succeeds(t, time.Minute, name+" listens", func() error {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}) {
		t.FailNow()
	}
}
