package service

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// leastToken is the length in bytes below which a token could be guessed.
const leastToken = 16

// Token is what operators show to act; to look takes none. It is read from
// admin.token_file. Without that setting it is in a file of this user's, which is made
// when it is not there, so that commands of the same user find it.
type Token struct {
	Path  string
	value string
	why   error // there is none
}

// OpenToken reads the token. Where the setting names no file and the user has no folder for
// one, as in a container whose root is read-only, there is none, and nobody can act.
func OpenToken(s settings.Admin) (Token, error) {
	if s.TokenFile != "" {
		return readToken(s.TokenFile)
	}
	home, err := os.UserConfigDir()
	if err != nil {
		return Token{why: err}, nil
	}
	path := filepath.Join(home, "thumbmill", "token")
	t, err := readToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = makeToken(path)
	}
	if err != nil {
		return Token{why: err}, nil
	}
	return t, nil
}

func readToken(path string) (Token, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	t := Token{Path: path, value: strings.TrimSpace(string(text))}
	if len(t.value) < leastToken {
		return Token{}, fmt.Errorf("admin.token_file: %s holds fewer than %d bytes: they could be guessed", path, leastToken)
	}
	return t, nil
}

// makeToken writes a new one, unless another process was faster.
func makeToken(path string) (Token, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	t := Token{Path: path, value: rand.Text()}
	draft, err := os.CreateTemp(filepath.Dir(path), "token")
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = fmt.Fprintln(draft, t.value)
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Link(draft.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return readToken(path)
	}
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	return t, nil
}

// Show puts the token into a request.
func (t Token) Show(r *http.Request) {
	if t.value != "" {
		r.Header.Set("Authorization", "Bearer "+t.value)
	}
}

// Shown reports whether a request shows the token.
func (t Token) Shown(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && t.value != "" && subtle.ConstantTimeCompare([]byte(given), []byte(t.value)) == 1
}

// guard lets everybody look, and those act who show the token. Since browsers add no such
// header by themselves, no other site's page can act in an operator's name; nor can it look,
// by a name of its own that leads to an operator's own machine.
func (t Token) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rebound(r) {
			http.Error(w, "on loopback this listener has no names but localhost and those without a dot", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !t.Shown(r) {
			w.Header().Set("Www-Authenticate", `Bearer realm="thumbmill operators"`)
			http.Error(w, "to look takes nothing; to act takes the token of admin.token_file, as Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rebound tells that a request came over loopback, for a name that anybody may have had
// registered.
func rebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	host := (&url.URL{Host: r.Host}).Hostname()
	return ok && local.IP.IsLoopback() && net.ParseIP(host) == nil && strings.Contains(host, ".")
}

// access tells whether the request's token is the right one.
func (t Token) access(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]bool{"act": t.Shown(r)}) // the client left
}
