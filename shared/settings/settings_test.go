package settings

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreValid(t *testing.T) {
	s, err := Load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Throttle.PerIP != (Pool{Workers: 4, MaxQueue: 50, Timeout: 4 * time.Second}) {
		t.Errorf("per_ip is %+v", s.Throttle.PerIP)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "10-site.yaml", "render:\n  quality: 70\n  quality_low: 30\nedge:\n  trusted_proxies: [10.0.0.0/8]\n")
	write(t, dir, "20-host.yaml", "render:\n  quality: 71\n  progressive: true\n")
	write(t, dir, "30-host.yml", "render:\n  quality: 72\n")
	write(t, dir, "ignored.yaml~", "nonsense: true\n")
	s, err := Load(dir, []string{"THUMBMILL_RENDER_QUALITY_LOW=31", "THUMBMILL_EDGE_ALLOW_UNSAFE=true", "HOME=/root",
		"THUMBMILL_COORDINATOR_SERVERS=a:7531,b:7531"},
		map[string]any{"edge.listen": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Render.Quality != 72 || s.Render.QualityLow != 31 || !s.Render.Progressive || !s.Edge.AllowUnsafe ||
		s.Edge.Listen != "127.0.0.1:0" || len(s.Coordinator.Servers) != 2 || s.Edge.TrustedProxies[0] != "10.0.0.0/8" {
		t.Errorf("merged to %+v", s)
	}
}

func TestMapsAreMergedEntryByEntry(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		environ []string
		flags   map[string]any
		want    thumbnail.Qualities
	}{
		"nothing":         {"", nil, nil, nil},
		"empty":           {"render: {qualities: {}}", []string{"THUMBMILL_RENDER_QUALITIES="}, map[string]any{"render.qualities": ""}, nil},
		"null":            {"render: {qualities: ~}", nil, nil, nil},
		"a file":          {"render: {qualities: {webp: 80, avif: 60}}", nil, nil, thumbnail.Qualities{"webp": 80, "avif": 60}},
		"the environment": {"", []string{"THUMBMILL_RENDER_QUALITIES=webp=80, avif=60"}, nil, thumbnail.Qualities{"webp": 80, "avif": 60}},
		"a flag":          {"", nil, map[string]any{"render.qualities": "jpg=90"}, thumbnail.Qualities{"jpg": 90}},
		"all of them": {
			"render: {qualities: {webp: 80, avif: 60, jpg: 70}}", []string{"THUMBMILL_RENDER_QUALITIES=webp=81,avif=61"},
			map[string]any{"render.qualities": "avif=62"}, thumbnail.Qualities{"webp": 81, "avif": 62, "jpg": 70},
		},
		"entries by their keys": {"render: {qualities.webp: 80}", nil, map[string]any{"render.qualities.avif": 60}, thumbnail.Qualities{"webp": 80, "avif": 60}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Load(write(t, t.TempDir(), "a.yaml", c.file), c.environ, c.flags)
			if err != nil || !maps.Equal(s.Render.Qualities, c.want) {
				t.Fatalf("read as %v, %v; want %v", s.Render.Qualities, err, c.want)
			}
			text, err := s.YAML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Load(write(t, t.TempDir(), "shown.yaml", text), nil, nil)
			if err != nil || !maps.Equal(again.Render.Qualities, c.want) {
				t.Errorf("config show is read as %v, %v; want %v", again.Render.Qualities, err, c.want)
			}
		})
	}
}

func TestMapsThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ file, environ, want string }{
		"no map":              {"render: {qualities: 80}", "", "a.yaml: render.qualities: 80 is not a map: write {webp: 80, avif: 60} in a file"},
		"no pairs":            {"", "THUMBMILL_RENDER_QUALITIES=webp:80", "THUMBMILL_RENDER_QUALITIES: render.qualities: webp:80 is not a map"},
		"a name is missing":   {"", "THUMBMILL_RENDER_QUALITIES==80", "=80 is not a map"},
		"no such format":      {"render: {qualities: {wepb: 80}}", "", `a.yaml: render.qualities.wepb: "wepb" is not one of jpg, webp, avif`},
		"a lossless format":   {"", "THUMBMILL_RENDER_QUALITIES=png=80", `THUMBMILL_RENDER_QUALITIES: render.qualities.png: "png" is not one of jpg, webp, avif`},
		"no number":           {"render: {qualities: {webp: high}}", "", "a.yaml: render.qualities.webp: high is not a whole number"},
		"out of range":        {"", "THUMBMILL_RENDER_QUALITIES=webp=101", "render.qualities.webp: 101 is not within 1…100"},
		"deeper":              {"render: {qualities: {webp: {a: 1}}}", "", "render.qualities.webp.a: no such key"},
		"a moved key":         {"render: {quality_webp: 80}", "", "a.yaml: render.quality_webp: no such key any more: set render.qualities: {webp: 80}"},
		"a moved variable":    {"", "THUMBMILL_RENDER_QUALITY_AVIF=60", "THUMBMILL_RENDER_QUALITY_AVIF: render.quality_avif: no such key any more: set render.qualities: {avif: 60}"},
		"auto_formats":        {"thumbor: {auto_formats: [gif]}", "", `"gif" is not one of jpg, png, webp, avif`},
		"renderer.optimizers": {"renderer: {optimizers: [webp]}", "", `"webp" is not one of jpg, png, gif`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, t.TempDir(), "a.yaml", c.file), []string{c.environ}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "a.yaml", "edge:\n  deadlin: 70s\n  deadline: 70\nrender:\n  quality: many\nrenderer:\n  memory_limit: lots\nthrottle: 3\nlog:\n  level: loud\nadmin:\n  listen: 127.0.0.1:99999\n")
	_, err := Load(file, []string{"THUMBMILL_EDGE_ALLOW_UNSAVE=1"}, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		file + ": edge.deadlin: no such key (did you mean edge.deadline?)",
		file + ": edge.deadline: 70 is not a duration such as 4s",
		file + ": render.quality: many is not a whole number",
		file + ": renderer.memory_limit: lots is not a size such as 3GiB",
		file + ": throttle: this is a section, not a value: set its keys",
		file + `: log.level: "loud" is not one of`,
		file + `: admin.listen: "127.0.0.1:99999" is not an address: write host:port`,
		"THUMBMILL_EDGE_ALLOW_UNSAVE: no such key (did you mean THUMBMILL_EDGE_ALLOW_UNSAFE?)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestValuesAreCheckedAgainstEachOther(t *testing.T) {
	file := write(t, t.TempDir(), "a.yaml", strings.Join([]string{
		"edge: {deadline: 30s, trusted_proxies: [banana]}",
		"throttle: {per_ip: {workers: 9, max_queue: 3}, expensive: {types: [bananas]}, release_timeout: 10s}",
		"store: {thumbnails: {kind: s4}, originals: {kind: swift}}",
		"render: {quality: 101, chroma_subsampling: '4:2:2'}", ""}, "\n"))
	_, err := Load(file, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"edge.deadline: 30s is too short", "edge.trusted_proxies", "throttle.per_ip.max_queue", "bananas",
		"throttle.release_timeout", "store.thumbnails.kind", "store.originals.auth_url", "render.quality: 101", "4:2:2",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	if !strings.Contains(err.Error(), file+": ") {
		t.Error("the file is not named")
	}
}

// A secret can be in a file; one that cannot be read is said with its key, and no part of it.
func TestSecretsInFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load("", []string{"THUMBMILL_COORDINATOR_SECRET=file:" + file, "THUMBMILL_EDGE_SECURITY_KEY=profile:x"}, nil)
	if err != nil || string(s.Coordinator.Secret) != "0123456789abcdef" || string(s.Edge.SecurityKey) != "profile:x" {
		t.Errorf("%q %q %v", string(s.Coordinator.Secret), string(s.Edge.SecurityKey), err)
	}
	for _, text := range []string{"", "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load("", []string{"THUMBMILL_COORDINATOR_SECRET=file:" + file}, nil); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Load("", nil, map[string]any{"store.thumbnails.key": "file:/nowhere"}); err == nil || !strings.Contains(err.Error(), "store.thumbnails.key") {
		t.Error(err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	s, err := Load("", []string{"THUMBMILL_EDGE_SECURITY_KEY=hunter2", "THUMBMILL_NATS_URL=nats://user:hunter2@a:4222,nats://b:4222"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if s.Edge.SecurityKey != "hunter2" || strings.Contains(text, "hunter2") || !strings.Contains(text, "nats://user:xxxxx@a:4222,nats://b:4222") || !strings.Contains(text, "security_key: '***'") {
		t.Errorf("shown as:\n%s", text)
	}
	shown := filepath.Join(t.TempDir(), "shown.yaml")
	if err := os.WriteFile(shown, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(shown, nil, nil); err != nil {
		t.Errorf("config show is not readable as a configuration: %v", err)
	}
}

// A password that the library would show, since it makes the URL none, is refused, and not shown.
func TestPasswordsThatBreakAURL(t *testing.T) {
	for _, text := range []string{"nats://edge:hunt%zzer2@a:4222", "nats://edge:hunt#er2@a", "nats://b:1,nats://edge:12/hunter2@a", "nats://edge:12?hunter2@a", "edge:hunt#er2@a:4222"} {
		_, err := Load("", []string{"THUMBMILL_NATS_URL=" + text}, nil)
		if err == nil || strings.Contains(err.Error(), "er2") || !strings.Contains(err.Error(), "%23 for #") {
			t.Errorf("%s: %v", text, err)
		}
	}
	s, err := Load("", []string{"THUMBMILL_NATS_URL=edge:hunter%232@a:4222,b:4222"}, nil)
	if err != nil || s.NATS.URL.String() != "nats://edge:xxxxx@a:4222,nats://b:4222" {
		t.Errorf("%v %v", s.NATS.URL, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("edge: {deadline: 70s}")
	f.Add("edge: 3\nrender: [1,2]")
	f.Add("throttle: {per_ip: ~}")
	f.Add("render: {qualities: {webp: 80, 1: {}}}")
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, t.TempDir(), "f.yaml", text)
		_, _ = Load(path, nil, nil)
	})
}

// A throttle has one name towards people, per-ip: settings understand it too.
func TestKeysMayHaveHyphens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("throttle:\n  per-ip:\n    max-queue: 77\n")
	if s, err := Load(file, nil, nil); err != nil || s.Throttle.PerIP.MaxQueue != 77 {
		t.Errorf("%+v, %v", s.Throttle.PerIP, err)
	}
	write("throttle:\n  per-ip:\n    workers: 7\n  per_ip:\n    workers: 8\n")
	if _, err := Load(file, nil, nil); err == nil || !strings.Contains(err.Error(), "throttle.per_ip.workers is given twice") {
		t.Errorf("given twice: %v", err)
	}
}

func TestBucketsAreRisingWidths(t *testing.T) {
	for text, want := range map[string]string{
		"[640, 1280]": "", "[]": "", "[1280, 640]": "not a list of rising widths", "[640, 640]": "not a list of rising widths", "[63]": "63 is not within",
		"[8193]": "8193 is not within", "[100, 101, 102, 103, 104, 105, 106, 107, 108]": "the list has 9 widths: keep at most 8",
	} {
		dir := t.TempDir()
		write(t, dir, "a.yaml", "render:\n  buckets: "+text+"\n")
		_, err := Load(dir, nil, nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Keys have names of their own and are never shown; the oldest is edge.security_key.
func TestSecurityKeys(t *testing.T) {
	secret := write(t, t.TempDir(), "secret", "hunter2\n")
	file := write(t, t.TempDir(), "a.yaml", "edge:\n  security_key: hunter1\n  security_keys:\n  - {name: '2026-11', key: 'file:"+secret+"', algorithm: sha256, truncate: 40}\n")
	s, err := Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := s.Edge.Keys()
	if len(keys) != 2 || keys[0] != (SecurityKey{"2026-11", "hunter2", "sha256", 40}) || keys[1] != (SecurityKey{Name: OnlyKey, Key: "hunter1"}) {
		t.Errorf("%#v", keys)
	}
	text, err := s.YAML()
	if err != nil || strings.Contains(text, "hunter") || !strings.Contains(text, "name: 2026-11") {
		t.Errorf("shown as:\n%s%v", text, err)
	}
	for problem, entry := range map[string]string{
		"is not a name": "{name: security_key, key: hunter2}", "the key is empty": "{name: a}", "is the name of another key": "{name: a, key: b}, {name: a, key: c}",
		"is not one of , sha1": "{name: a, key: hunter2, algorithm: md5}", "is not 0 or within": "{name: a, key: hunter2, truncate: 9}", "invalid keys: algoritm": "{name: a, key: hunter2, algoritm: sha1}",
	} {
		_, err := Load(write(t, t.TempDir(), "a.yaml", "edge: {security_keys: ["+entry+"]}"), nil, nil)
		if err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", entry, err)
		}
	}
}

// bucket is another name for the container of S3, in all stores.
func TestBuckets(t *testing.T) {
	s, err := Load(write(t, t.TempDir(), "a.yaml", "store:\n  thumbnails: {kind: s3, bucket: thumbs-1, endpoint: 'https://s3.example'}\n  loaders: [{for: s3/, kind: s3, bucket: media-1, endpoint: 'https://s3.example'}]\n"), nil, nil)
	if err != nil || s.Store.Thumbnails.Container != "thumbs-1" || s.Store.Loaders[0].Bucket.Container != "media-1" {
		t.Errorf("%+v %v", s.Store, err)
	}
	for file, says := range map[string]string{"{kind: s3, bucket: A, endpoint: 'https://s3.example'}": "store.thumbnails.bucket", "{kind: directory, bucket: thumbs-1}": "directory has no buckets", "{kind: gcs, bucket: A}": "store.thumbnails.bucket", "{kind: azure, container: thumbs}": "store.thumbnails.user", "{kind: gcs, bucket: thumbs, endpoint: here}": "store.thumbnails.endpoint"} {
		if _, err := Load(write(t, t.TempDir(), "a.yaml", "store: {thumbnails: "+file+"}"), nil, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSites(t *testing.T) {
	for name, c := range map[string]struct {
		site     string
		overflow []string
		wrong    string
	}{
		"one site":          {"", nil, ""},
		"three sites":       {"east", []string{"west", "north-2"}, ""},
		"a wildcard":        {"*", nil, "nats.site"},
		"a site of two":     {"east.1", nil, "nats.site"},
		"no name":           {"", []string{"west"}, "nats.site"},
		"itself":            {"east", []string{"east"}, "nats.overflow"},
		"a site twice":      {"east", []string{"west", "west"}, "nats.overflow"},
		"a wildcard beside": {"east", []string{">"}, "nats.overflow"},
	} {
		s := Default()
		s.NATS.Site, s.NATS.Overflow = c.site, c.overflow
		err := errors.Join(s.problems(nil)...)
		if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want a problem of %q", name, err, c.wrong)
		}
	}
}
