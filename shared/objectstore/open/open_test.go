package open

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A full or read-only folder is a state that the log shows once, and that ends by itself.
func TestAFolderThatTakesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("the test cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := settings.Default()
	s.Store.Originals.Path, s.Store.Thumbnails.Path = t.TempDir(), dir
	stores, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stores.Close() })
	var log bytes.Buffer
	metrics := prometheus.NewRegistry()
	guarded := stores.Guarded(metrics, slog.New(slog.NewTextHandler(&log, nil)))
	put := func(name string, size int) error {
		body := make([]byte, size)
		return guarded.Thumbnails.Put(t.Context(), thumbnail.Location{Path: name}, body, storetest.Meta(body))
	}
	state := func() string {
		all, _ := metrics.Gather()
		for _, family := range all {
			for _, m := range family.GetMetric() {
				if family.GetName() == "thumbmill_store_state" && m.GetGauge().GetValue() == 1 {
					return m.GetLabel()[0].GetValue()
				}
			}
		}
		return ""
	}
	for _, k := range []struct {
		name, state string
		size        int
		err         error
	}{
		{"a", objectstore.StateWritable, 1000, nil}, {"b", objectstore.StateFull, 1 << 20, objectstore.ErrFull},
		{"c", objectstore.StateFull, 1 << 20, objectstore.ErrFull}, {"d", objectstore.StateWritable, 1000, nil},
	} {
		if err := put(k.name, k.size); !errors.Is(err, k.err) || state() != k.state {
			t.Errorf("%s: %v, %s", k.name, err, state())
		}
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := put("e", 10); !errors.Is(err, objectstore.ErrReadOnly) || state() != objectstore.StateReadOnly {
		t.Errorf("read-only: %v, %s", err, state())
	}
	if err := guarded.Thumbnails.Delete(t.Context(), thumbnail.Location{Path: "a"}); !errors.Is(err, objectstore.ErrReadOnly) {
		t.Errorf("delete: %v", err)
	}
	if _, err := guarded.Thumbnails.Head(t.Context(), thumbnail.Location{Path: "a"}); err != nil {
		t.Errorf("read a stored thumbnail: %v", err)
	}
	if n := strings.Count(log.String(), "serve thumbnails without storing them"); n != 2 {
		t.Errorf("the log has %d messages:\n%s", n, log.String())
	}
	again, err := New(s) // a start with a read-only folder
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

// A store that sends a byte and then nothing is given up, whichever library reads it.
func TestAStoreThatStalls(t *testing.T) {
	t.Parallel()
	var url string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/v1.0" {
			w.Header().Set("X-Storage-Url", url)
			w.Header().Set("X-Auth-Token", "token")
			return
		}
		w.Header().Set("Etag", `"0123456789abcdef0123456789abcdef"`)
		w.Header().Set("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
		w.Header().Set("Content-Length", "1000")
		if _, err := io.WriteString(w, "x"); err == nil && r.Method == http.MethodGet {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	url = server.URL
	for _, b := range []storeconfig.Bucket{
		{Kind: "s3", Endpoint: url, User: "u", Key: "k", Region: "us-east-1", Container: "pictures"},
		{Kind: "swift", AuthURL: url + "/auth/v1.0", User: "u:u", Key: "k", Container: "pictures"},
	} {
		t.Run(b.Kind, func(t *testing.T) {
			t.Parallel()
			s := settings.Default()
			s.Store.Originals, s.Store.Thumbnails.Path = b, t.TempDir()
			stores, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = stores.Close() })
			object, _, err := stores.Originals.Open(t.Context(), thumbnail.Location{Path: "a.jpg"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = object.Close() }()
			if n, err := io.Copy(io.Discard, object); n != 1 || !errors.Is(err, objectstore.ErrSlow) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// The store gives no MD5 if the settings do not compare it: readers then compute none.
func TestOriginalsAreVerifiedWhereThatIsSet(t *testing.T) {
	for verify, want := range map[string]bool{storeconfig.VerifyNever: false, storeconfig.VerifyAlways: true} {
		store := compared(telling{}, storeconfig.Bucket{Kind: "s3", Verify: verify})
		_, info, err := store.Open(t.Context(), thumbnail.Location{Path: "a"})
		if err != nil || info.Size != 7 || (info.MD5 != "") != want {
			t.Errorf("verify %s: MD5 %q, %d bytes, %v", verify, info.MD5, info.Size, err)
		}
	}
}

// telling is a store that has an MD5. It embeds the interface for the other methods.
type telling struct{ objectstore.Store }

func (telling) Open(context.Context, thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	return nil, objectstore.Info{Size: 7, MD5: "0123"}, nil
}
