//go:build clouds

package blobstore

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// emulator starts a program of the folder that `make test-clouds` fills, and waits until it answers.
func emulator(t *testing.T, address, program string, args ...string) {
	t.Helper()
	folder := os.Getenv("THUMBMILL_CLOUDS")
	if folder == "" {
		t.Skip("the emulators are downloads: run make test-clouds")
	}
	run := exec.Command(filepath.Join(folder, program), args...)
	run.Dir = t.TempDir()
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})
	eventually.Succeeds(t, time.Minute, program+" answers", func() error {
		answer, err := http.Get("http://" + address)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	})
}

func open(t *testing.T, b storeconfig.Bucket) *Store {
	t.Helper()
	s, err := New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestGoogleCloudStorage(t *testing.T) {
	address := servers.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	emulator(t, address, "fake-gcs-server", "-scheme", "http", "-host", host, "-port", port, "-public-host", address, "-backend", "memory")
	answer, err := http.Post("http://"+address+"/storage/v1/b?project=p", "application/json", strings.NewReader(`{"name": "pictures"}`))
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("make a bucket: %v %v", answer, err)
	}
	_ = answer.Body.Close()
	b := storeconfig.Bucket{Kind: "gcs", Endpoint: "http://" + address, Bucket: "pictures"}
	storetest.Run(t, open(t, b))
	inAnAbsentBucket(t, b)
}

func TestAzureBlobStorage(t *testing.T) {
	address := servers.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	emulator(t, address, "node_modules/.bin/azurite-blob", "--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobHost", host, "--blobPort", port)
	// The account and its key are Azurite's, which its documentation has.
	b := storeconfig.Bucket{
		Kind: "azure", Endpoint: "http://" + address + "/devstoreaccount1", Container: "pictures", User: "devstoreaccount1",
		Key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
	}
	client, err := azureClient(b, http.DefaultTransport.(*http.Transport).Clone())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, open(t, b))
	inAnAbsentBucket(t, b)
	b.Key = "d3Jvbmc="
	if err := open(t, b).Put(t.Context(), thumbnail.Location{Path: "x"}, []byte("x"), objectstore.Meta{}); !errors.Is(err, objectstore.ErrReadOnly) {
		t.Errorf("put with a wrong key: %v", err)
	}
}

func inAnAbsentBucket(t *testing.T, b storeconfig.Bucket) {
	t.Helper()
	b.Bucket, b.Container = "absent", "absent"
	s := open(t, b)
	if _, err := s.Head(t.Context(), thumbnail.Location{Path: "x"}); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("head in an absent bucket: %v", err)
	}
	if err := s.Put(t.Context(), thumbnail.Location{Path: "x"}, []byte("x"), storetest.Meta([]byte("x"))); err == nil {
		t.Error("put into an absent bucket succeeds")
	}
}

// An operation is tried a second time, and then fails, although its context goes on.
func TestAttemptsAreBounded(t *testing.T) {
	var asked atomic.Int32
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at := thumbnail.Location{Path: "x"}
	for _, kind := range []string{"gcs", "azure"} {
		s := open(t, storeconfig.Bucket{Kind: kind, Endpoint: busy.URL, Container: "pictures", User: "u", Key: map[string]value.Secret{"azure": "c2VjcmV0"}[kind]})
		for name, operation := range map[string]func() error{
			"head":   func() error { _, err := s.Head(ctx, at); return err },
			"list":   func() error { _, err := s.List(ctx, thumbnail.Location{}, ""); return err },
			"put":    func() error { return s.Put(ctx, at, []byte("x"), objectstore.Meta{}) },
			"delete": func() error { return s.Delete(ctx, at) },
		} {
			asked.Store(0)
			if err := operation(); err == nil || ctx.Err() != nil || asked.Load() > 2 {
				t.Errorf("%s: %s: %v after %d requests, want an error after at most 2", kind, name, err, asked.Load())
			}
		}
	}
}

// A service that is away is a failure, and no absent object. A key that cannot be read is an error that does not show the key.
func TestServicesThatAreAway(t *testing.T) {
	for kind, key := range map[string]value.Secret{"gcs": "", "azure": "c2VjcmV0"} {
		s := open(t, storeconfig.Bucket{Kind: kind, Endpoint: "http://127.0.0.1:1", Container: "pictures", User: "u", Key: key})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		if _, err := s.Head(ctx, thumbnail.Location{Path: "x"}); err == nil || errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("%s: head: %v", kind, err)
		}
		cancel()
		_, err := New(t.Context(), storeconfig.Bucket{Kind: kind, Endpoint: "https://127.0.0.1:1", Container: "pictures", User: "u", Key: "sesame!"})
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: a key that cannot be read: %v", kind, err)
		}
	}
}
