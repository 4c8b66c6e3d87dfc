package client

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/console"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/operators/listener"
	"github.com/thumbmill/thumbmill/shared/service/readiness"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Over TLS the client talks only to a listener whose certificate it trusts.
func TestTLS(t *testing.T) {
	token := console.TokenFile(t)
	files := wire.Certificate(t, t.TempDir(), "coordinator.example")
	asked, err := listener.New(settings.Admin{Listen: "127.0.0.1:0", TokenFile: token, TLS: files}, readiness.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	asked.Handle("/acts", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if err := asked.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asked.Stop(t.Context()) }()
	for name, c := range map[string]struct {
		ca   string
		want bool
	}{
		"its own certificate":      {files.Certificate, true},
		"the system's authorities": {"", false},
		"another's certificate":    {wire.Certificate(t, t.TempDir(), "coordinator.example").Certificate, false},
		"no certificate":           {token, false},
	} {
		asks := Client{URL: asked.URL(), TokenFile: token, CA: c.ca}
		body, err := asks.Open(t.Context(), http.MethodPost, "/acts", nil)
		if (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = body.Close()
		}
	}
}

func TestAnswers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /document", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"is": "good"}`) })
	mux.HandleFunc("DELETE /document", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "it has ended", http.StatusGone) })
	mux.HandleFunc("DELETE /absent", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "nothing has this name", http.StatusNotFound)
	})
	mux.HandleFunc("POST /lines", func(w http.ResponseWriter, r *http.Request) {
		var list []string
		if r.Header.Get("Authorization") == "" || json.NewDecoder(r.Body).Decode(&list) != nil {
			http.Error(w, "no", http.StatusBadRequest)
		}
		for _, text := range list {
			_, _ = io.WriteString(w, text)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := Client{URL: strings.TrimPrefix(server.URL, "http://") + "/", TokenFile: console.TokenFile(t)}
	var document struct{ Is string }
	if err := c.Get(t.Context(), "/document", &document); err != nil || document.Is != "good" {
		t.Errorf("%+v %v", document, err)
	}
	if text, err := c.Read(t.Context(), "/document"); err != nil || string(text) != `{"is": "good"}` {
		t.Errorf("%s %v", text, err)
	}
	if err := c.Delete(t.Context(), "/document", &document); err == nil || err.Error() != "410 Gone: it has ended" {
		t.Errorf("refused: %v", err)
	}
	if err := c.Delete(t.Context(), "/absent", &document); commandline.Status(err) != 2 {
		t.Errorf("nothing to delete: %v, exit status %d", err, commandline.Status(err))
	}
	if err := c.Get(t.Context(), "/nowhere", &document); err == nil || !strings.Contains(err.Error(), "another role listens there") {
		t.Errorf("a path of another role: %v", err)
	}
	for name, lines := range map[string]struct {
		sent, got []string
		says      string
	}{
		"complete":   {[]string{"{}\n", "[1]\n"}, []string{"{}", "[1]"}, ""},
		"broken off": {[]string{"{}\n", "[1"}, []string{"{}"}, "broke off"},
	} {
		var got []string
		err := c.PostLines(t.Context(), "/lines", lines.sent, func(line json.RawMessage) error {
			got = append(got, string(line))
			return nil
		})
		if !slices.Equal(got, lines.got) || (err == nil) != (lines.says == "") || err != nil && !strings.Contains(err.Error(), lines.says) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}
