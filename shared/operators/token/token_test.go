package token

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// If several processes start at once, one makes the user's token, and all use it.
func TestTheUsersTokenIsMadeOnce(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	tokens := make([]Token, 8)
	var opened sync.WaitGroup
	for i := range tokens {
		opened.Go(func() {
			var err error
			if tokens[i], err = Open(settings.Admin{}); err != nil || tokens[i].Missing() != nil {
				t.Errorf("%v %v", err, tokens[i].Missing())
			}
		})
	}
	opened.Wait()
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	tokens[0].Show(request)
	for _, other := range tokens {
		if !other.Shown(request) || other.Path != tokens[0].Path {
			t.Errorf("%s and %s have different tokens", other.Path, tokens[0].Path)
		}
	}
	if info, err := os.Stat(tokens[0].Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("other users can read the token: %v %v", info.Mode(), err)
	}
}

func TestOpen(t *testing.T) {
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, c := range map[string]struct{ file, says string }{
		"a long token":  {write(strings.Repeat("x", least) + "\n"), ""},
		"a short token": {write(strings.Repeat("x", least-1) + "\n"), "could be guessed"},
		"none":          {"/nowhere/token", "admin.token_file"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := Open(settings.Admin{TokenFile: c.file})
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v %v", token, err)
			}
		})
	}
}

// Without a token nobody can make changes, also not with an empty token.
func TestWithoutAPlaceForAToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", file) // no folder can be made below a file
	token, err := Open(settings.Admin{})
	if err != nil || token.Missing() == nil {
		t.Errorf("%v %v", err, token.Missing())
	}
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	token.Show(request)
	if request.Header.Set("Authorization", "Bearer "); token.Shown(request) {
		t.Error("an empty token was accepted")
	}
}

// A command takes the first token that it may read, and names all places if there is none.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	site, own := filepath.Join(dir, "site"), filepath.Join(dir, "own")
	if _, err := first([]string{site, own}); err == nil || !strings.Contains(err.Error(), site+", "+own) || !strings.Contains(err.Error(), "--token-file") {
		t.Error(err)
	}
	for _, path := range []string{own, site} {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", least)), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := first([]string{site, own}); err != nil || found.Path != path {
			t.Errorf("%s %v", found.Path, err)
		}
	}
	if found, err := Find(own); err != nil || found.Path != own {
		t.Errorf("%s %v", found.Path, err)
	}
	if _, err := Find(filepath.Join(dir, "absent")); err == nil {
		t.Error("a file that is absent has a token")
	}
}

// The scheme of the header has any case, and the token its own.
func TestTheSchemeHasAnyCase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a-token-of-operators"), 0o600); err != nil {
		t.Fatal(err)
	}
	right, err := Open(settings.Admin{TokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]bool{
		"Bearer a-token-of-operators": true, "bearer a-token-of-operators": true, "BEARER a-token-of-operators": true,
		"Bearer A-token-of-operators": false, "Basic a-token-of-operators": false, "a-token-of-operators": false, "Bearer": false, "": false,
	} {
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		request.Header.Set("Authorization", header)
		if got := right.Shown(request); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
