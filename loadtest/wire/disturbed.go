package wire

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// Disturbance is what becomes of a request on its way to a server and back.
type Disturbance func(w http.ResponseWriter, r *http.Request, pass func(change func(*http.Response) error))

// Disturbed is a server behind a proxy that does wrong to some requests.
type Disturbed struct {
	URL     string
	current atomic.Pointer[rule]
	hits    atomic.Int32
}

type rule struct {
	concerns func(*http.Request) bool
	do       Disturbance
}

// Disturb puts a proxy before a server.
func Disturb(t testing.TB, target string) *Disturbed {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	d := &Disturbed{}
	// A connection for each request: after the answer to a HEAD with an expired token Swift
	// says more, which a request in a hurry would take for its own answer.
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pass := func(change func(*http.Response) error) {
			proxy := &httputil.ReverseProxy{
				Transport: transport, ModifyResponse: change, FlushInterval: -1,
				Rewrite: func(p *httputil.ProxyRequest) {
					p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = u.Scheme, u.Host, p.In.Host
				},
				ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
			}
			proxy.ServeHTTP(w, r)
		}
		if now := d.current.Load(); now != nil && now.concerns(r) {
			d.hits.Add(1)
			now.do(w, r, pass)
			return
		}
		pass(nil)
	}))
	d.URL = server.URL
	t.Cleanup(server.Close)
	return d
}

// Do does something to the requests that are concerned, from now on.
func (d *Disturbed) Do(concerns func(*http.Request) bool, what Disturbance) {
	d.hits.Store(0)
	d.current.Store(&rule{concerns, what})
}

// Undo lets everything pass, and tells how many requests were disturbed.
func (d *Disturbed) Undo() int {
	d.current.Store(nil)
	return int(d.hits.Load())
}

// Answer gives a status instead of passing a request on.
func Answer(status int) Disturbance {
	return func(w http.ResponseWriter, r *http.Request, _ func(func(*http.Response) error)) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}
}

// Slow waits before it passes a request on.
func Slow(by time.Duration) Disturbance {
	return func(_ http.ResponseWriter, r *http.Request, pass func(func(*http.Response) error)) {
		select {
		case <-time.After(by):
			pass(nil)
		case <-r.Context().Done():
		}
	}
}

// Truncate breaks the connection in the middle of a body.
func Truncate(_ http.ResponseWriter, _ *http.Request, pass func(func(*http.Response) error)) {
	pass(func(r *http.Response) error {
		half, _ := strconv.Atoi(r.Header.Get("Content-Length"))
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(r.Body, int64(half/2)), r.Body}
		return nil
	})
}

// Corrupt changes a byte of a body, on the way there or back, so that its checksum is
// wrong.
func Corrupt(_ http.ResponseWriter, r *http.Request, pass func(func(*http.Response) error)) {
	if r.Method == http.MethodPut {
		body, _ := io.ReadAll(r.Body)
		body[len(body)/2]++
		r.Body = io.NopCloser(bytes.NewReader(body))
		pass(nil)
		return
	}
	pass(func(response *http.Response) error {
		body, err := io.ReadAll(response.Body)
		if len(body) > 0 {
			body[len(body)/2]++
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		return err
	})
}

// Once does something to the first request, and passes the others on.
func Once(what Disturbance) Disturbance {
	var done atomic.Bool
	return func(w http.ResponseWriter, r *http.Request, pass func(func(*http.Response) error)) {
		if done.CompareAndSwap(false, true) {
			what(w, r, pass)
			return
		}
		pass(nil)
	}
}
