package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
)

// folder makes a folder of files, each with its name as content.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFirstOriginal(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		store storeconfig.Store
		want  string
	}{
		"none":                              {nil, storeconfig.Store{}, ""},
		"a picture":                         {[]string{"cat.jpg"}, storeconfig.Store{}, "cat.jpg"},
		"an extension in capitals":          {[]string{"CAT.JPEG"}, storeconfig.Store{}, "CAT.JPEG"},
		"by name":                           {[]string{"b.jpg", "a.png"}, storeconfig.Store{}, "a.png"},
		"the top before what is below":      {[]string{"a/a.jpg", "b.jpg"}, storeconfig.Store{}, "b.jpg"},
		"below":                             {[]string{"a/b/c.webp"}, storeconfig.Store{}, "a/b/c.webp"},
		"no hidden file":                    {[]string{".cat.jpg", ".trash/dog.jpg"}, storeconfig.Store{}, ""},
		"no other file":                     {[]string{"README.md", "cat", "sound.mp3"}, storeconfig.Store{}, ""},
		"a picture before a video":          {[]string{"a.mp4", "b/b.jpg"}, storeconfig.Store{}, "b/b.jpg"},
		"a video where there is no picture": {[]string{"a.mp4", "b.txt"}, storeconfig.Store{}, "a.mp4"},
		"a prefix of the store":             {[]string{"a.jpg", "site/b.jpg"}, storeconfig.Store{Originals: storeconfig.Bucket{Prefix: "site/"}}, "b.jpg"},
		"the name of another store":         {[]string{"s3/a.jpg", "t/b.jpg"}, storeconfig.Store{Loaders: []storeconfig.Loader{{For: "s3/"}}}, "t/b.jpg"},
	} {
		t.Run(name, func(t *testing.T) {
			c.store.Originals.Path = folder(t, c.files...)
			got, err := firstOriginal(c.store)
			if err != nil || got != c.want {
				t.Errorf("%q %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestFirstOriginalIsReadable(t *testing.T) {
	dir := folder(t, "d.jpg")
	outside := filepath.Join(folder(t, "x.jpg"), "x.jpg")
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), nil, 0o600); err != nil { // without content
		t.Fatal(err)
	}
	for link, to := range map[string]string{"b.jpg": outside, "c.jpg": "d.jpg"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "0.jpg"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := firstOriginal(storeconfig.Store{Originals: storeconfig.Bucket{Path: dir}})
	if err != nil || got != "c.jpg" {
		t.Errorf("%q %v, want c.jpg, the first readable file", got, err)
	}
}

// The search stops after mostEntries entries.
func TestFirstOriginalIsBounded(t *testing.T) {
	dir := folder(t)
	for i := range mostEntries {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.txt", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "last"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "last", "cat.jpg"), []byte("cat"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := firstOriginal(storeconfig.Store{Originals: storeconfig.Bucket{Path: dir}}); got != "" || err != nil {
		t.Errorf("found %q behind %d other entries: %v", got, mostEntries, err)
	}
}

func TestMissingOriginals(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := folder(t, "cat.jpg")
	usual := settings.Default().Store.Originals.Path
	for name, c := range map[string]struct {
		bucket storeconfig.Bucket
		says   string
	}{
		"a folder":         {storeconfig.Bucket{Kind: "directory", Path: dir}, ""},
		"serve's default":  {storeconfig.Bucket{Kind: "directory", Path: usual}, ""},
		"no directory":     {storeconfig.Bucket{Kind: "swift"}, ""},
		"a missing folder": {storeconfig.Bucket{Kind: "directory", Path: dir + "/phtos"}, dir + `/phtos" does not exist: create it`},
		"a file":           {storeconfig.Bucket{Kind: "directory", Path: dir + "/cat.jpg"}, `/cat.jpg" is a file`},
		"below a file":     {storeconfig.Bucket{Kind: "directory", Path: dir + "/cat.jpg/a"}, "store.originals.path: stat"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := prepare(c.bucket, false)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := os.Stat(dir + "/phtos"); err == nil {
		t.Error("the missing folder was made")
	}
}

func TestInvitation(t *testing.T) {
	addresses := map[string]string{"http": "http://127.0.0.1:8888", "admin": "http://127.0.0.1:8889"}
	for name, c := range map[string]struct {
		files   []string
		key     value.Secret
		samples []samples.Sample
		says    []string
	}{
		"a file":        {[]string{"a cat #1.jpg"}, "", nil, []string{"the first file in ", "http://127.0.0.1:8888/unsafe/330x/a%20cat%20%231.jpg\n"}},
		"no file":       {nil, "", nil, []string{"no picture yet", "http://127.0.0.1:8888/unsafe/330x/cat.jpg\n"}},
		"with a key":    {[]string{"cat.jpg"}, "key", nil, []string{"http://127.0.0.1:8888/MMbBUfFkZygxpGUkBQDiTeEvCiw=/330x/cat.jpg\n"}},
		"with samples":  {[]string{"cat.jpg"}, "", samples.All(), []string{"/unsafe/330x/cat.jpg\n", "/unsafe/330x/landscape.jpg ", "/unsafe/300x300/smart/filters:format(webp)/landscape.jpg "}},
		"for operators": {nil, "", nil, []string{"page: http://127.0.0.1:8889/ ", "token in /t", "http://127.0.0.1:8889/metrics"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings.Default()
			s.Store.Originals.Path, s.Edge.SecurityKey = folder(t, c.files...), c.key
			var out strings.Builder
			invitation{settings: s, addresses: addresses, samples: c.samples, tokenFile: "/t"}.print(&out)
			for _, text := range c.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("the invitation does not say %q:\n%s", text, out.String())
				}
			}
		})
	}
}
