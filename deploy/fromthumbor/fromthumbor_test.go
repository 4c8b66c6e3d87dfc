package fromthumbor

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const plain = `
# -*- coding: utf-8 -*-
import os
from os.path import join
"""Imaging"""
SECURITY_KEY = 'not-for-anybody'
ALLOW_UNSAFE_URL = False
QUALITY = 85
METRICS = 'thumbor.metrics.prometheus_metrics'
WEBP_QUALITY = 80
MAX_AGE = 24 * 60 * 60
MAX_PIXELS = 75e6
MAX_WIDTH = 1200
AUTO_WEBP = True
AUTO_JPG = True
AUTO_IMAGE_FORMAT_PREFERENCE = ['jpg', 'webp']
RESPECT_ORIENTATION = True
PRESERVE_EXIF_INFO = True
ROOT = '/srv'
LOADER = 'thumbor.loaders.file_loader'
FILE_LOADER_ROOT_PATH = ROOT + '/media'
FILTERS = ['thumbor.filters.blur', 'my.filters.sepia']
OPTIMIZERS = ['thumbor.optimizers.jpegtran']
DETECTORS = []
HTTP_LOADER_MAX_CLIENTS = 10
STATSD_HOST = os.environ.get('STATSD', 'localhost')
PAINT = 'red'
QUALITY_OF_LIFE = "high"
if PAINT:
    SVG_DPI = 150
`

const wikimedias = `
ENGINE = 'wikimedia_thumbor.engine.proxy'
LOADER = 'wikimedia_thumbor.loader.proxy'
RESULT_STORAGE = 'wikimedia_thumbor.result_storage.swift'
QUALITY = 87
QUALITY_LOW = 40
CHROMA_SUBSAMPLING = '4:2:0'
PROGRESSIVE_JPEG = False
RESPECT_ORIENTATION = True
DEFAULT_FILTERS_JPEG = 'conditional_sharpen(0.0,0.8,1.0,0.0,0.85)'
MAX_ANIMATED_GIF_AREA = 100 * 1000 * 1000
SUBPROCESS_TIMEOUT = 59
HTTP_LOADER_MAX_BODY_SIZE = 4 * 1024 * 1024 * 1024
SWIFT_HOST = 'https://swift.example'
SWIFT_AUTH_PATH = '/auth/v1.0'
SWIFT_USER = 'mw:thumbor'
SWIFT_KEY = 'not-for-anybody'
SWIFT_PATH_PREFIX = 'thumbor/'
SWIFT_SHARDED_CONTAINERS = ['wikipedia-en-local-public', 'wikipedia-en-local-thumb']
SWIFT_PRIVATE_CONTAINERS = ('wikipedia-office-local-public',)
SWIFT_PRIVATE_SECRET = 'not-for-anybody'
POOLCOUNTER_SERVER = 'poolcounter1.example'
POOLCOUNTER_CONFIG_PER_IP = {'workers': 4, 'maxqueue': 50, 'timeout': 4}
POOLCOUNTER_CONFIG_EXPENSIVE = {'workers': 16, 'maxqueue': 120, 'timeout': 10}
FAILURE_THROTTLING_MEMCACHE = ['127.0.0.1:11211']
FAILURE_THROTTLING_MAX = 4
FAILURE_THROTTLING_DURATION = 3600
EXIF_FIELDS_TO_KEEP = ['Artist', 'Copyright', 'Image Description']
`

// load checks the settings as `config check` checks a user's file, and returns them.
func load(t *testing.T, c Conversion) settings.Settings {
	t.Helper()
	text, err := c.YAML("Thumbor")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "thumbor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(path, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

func TestThumbors(t *testing.T) {
	c, err := Convert([]byte(plain), false)
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, c)
	if s.Edge.SecurityKey != "" || s.Edge.AllowUnsafe || s.Edge.MaxAge.Hours() != 24 {
		t.Errorf("edge: %+v", s.Edge)
	}
	if s.Render.Quality != 85 || s.Render.Qualities["webp"] != 80 || !s.Render.RespectOrientation || !s.Render.KeepEXIF || !s.Render.Progressive {
		t.Errorf("render: %+v", s.Render)
	}
	if s.Renderer.MaxPixels != 75_000_000 || !reflect.DeepEqual(s.Renderer.Optimizers, []string{"jpg"}) {
		t.Errorf("renderer: %+v", s.Renderer)
	}
	want := settings.Thumbor{Rotate: "counterclockwise", KeepGIFs: true, Filters: []string{"blur"}, AutoFormats: []string{"jpg", "webp"}, MaxWidth: 1200, SizePolicy: settings.FreeSizes}
	if !reflect.DeepEqual(s.Thumbor, want) {
		t.Errorf("thumbor: %+v", s.Thumbor)
	}
	if s.Store.Originals.Kind != "directory" || s.Store.Originals.Path != "/srv/media" {
		t.Errorf("originals: %+v", s.Store.Originals)
	}
	var left []string
	for _, l := range c.Left {
		left = append(left, l.Name)
	}
	if got := strings.Join(left, " "); got != "FILTERS QUALITY_OF_LIFE SECURITY_KEY SVG_DPI" {
		t.Errorf("left: %s\n%v", got, c.Left)
	}
}

func TestWikimedias(t *testing.T) {
	c, err := Convert([]byte(wikimedias), true)
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, c)
	want := settings.Default()
	want.Edge.AllowUnsafe, want.Edge.CORS = true, []string{} // Thumbor's defaults, for names that the file does not assign
	want.Thumbor.KeepGIFs = true
	want.Coordinator.Servers = []string{"poolcounter1.example:7531"}
	want.Memcached.Servers = []string{"127.0.0.1:11211"}
	want.Store.ShardedContainers = []string{"wikipedia-en-local-public", "wikipedia-en-local-thumb"}
	want.Store.PrivateContainers = []string{"wikipedia-office-local-public"}
	want.Store.PrivateSecret = "not-for-anybody"
	for _, b := range []*storeconfig.Bucket{&want.Store.Originals, &want.Store.Thumbnails} {
		b.Kind, b.AuthURL, b.User, b.Key = "swift", "https://swift.example/auth/v1.0", "mw:thumbor", "not-for-anybody"
	}
	want.Store.Thumbnails.Prefix = "thumbor/"
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if len(c.Left) != 1 || c.Left[0].Name != "EXIF_FIELDS_TO_KEEP" {
		t.Errorf("left: %v", c.Left)
	}
}

// A statement that cannot be read is reported. It closes everything that it could have opened, and
// the other statements still count.
func TestWhatIsNotRead(t *testing.T) {
	for text, want := range map[string]string{
		"try:\n    import x\nexcept ImportError:\n    X = 1\nQUALITY = 90\n": "line 1",
		"with open('k') as f:\n    SECURITY_KEY = f.read()\nQUALITY = 90\n":  "SECURITY_KEY line 1",
		"U = u'x'\nQUALITY = 90": "U",
		"UPLOAD_ENABLED = True\nUPLOAD_MAX_SIZE = 10_000_000\nQUALITY = 9_0":             "UPLOAD_ENABLED UPLOAD_MAX_SIZE",
		"A = '\\.'\nQUALITY = 45 * (1 + 1)":                                              "A",
		"L = ('a'\n  'b')\n\nQUALITY = 90":                                               "L",
		"WEBP_QUALITY = 2 ** 6\nQUALITY: int = 3\nQUALITY = 90\n":                        "QUALITY WEBP_QUALITY",
		"from x import (\n  a,\n  b,\n)\nQUALITY = 90":                                   "",
		"\ufeffQUALITY = 90\r\nX = [\r\n  1,\r\n]\r\n":                                   "X",
		"\"\"\"\ntext\n= x\n\"\"\"\nQUALITY = 90":                                        "",
		"import os; ALLOW_UNSAFE_URL = False\nQUALITY = 90":                              "ALLOW_UNSAFE_URL line 1",
		"ALLOW_UNSAFE_URL = os.environ.get('X')\nQUALITY = 90":                           "ALLOW_UNSAFE_URL",
		"QUALITY = 90\nALLOW_UNSAFE_URL = 0":                                             "",
		"QUALITY = 90\nALLOW_UNSAFE_URL = False\nLOADER = 'x\\ry: 3'":                    "LOADER",
		"QUALITY = 90\nALLOW_UNSAFE_URL = False\nOPTIMIZERS = ['jpegtran', 'gifv']":      "OPTIMIZERS",
		"QUALITY = 90\nALLOW_UNSAFE_URL = False\nPOOLCOUNTER_CONFIG_PER_IP = {'foo': 1}": "POOLCOUNTER_CONFIG_PER_IP",
	} {
		c, err := Convert([]byte(text), false)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var left []string
		for _, l := range c.Left {
			if l.Name != "LOADER" || strings.Contains(text, "LOADER") {
				left = append(left, l.Name)
			}
		}
		s := load(t, c)
		if got := strings.Join(left, " "); got != want || s.Render.Quality != 90 || strings.Contains(text, "ALLOW_UNSAFE") && s.Edge.AllowUnsafe {
			t.Errorf("%q: left %q, want %q; quality %d, unsafe %v", text, got, want, s.Render.Quality, s.Edge.AllowUnsafe)
		}
	}
}

// A file that is not Python gives no settings.
func TestFilesThatAreNotPython(t *testing.T) {
	for text, want := range map[string]string{
		"QUALITY = (":                       "line 1 is not Python: nothing closes '('",
		"QUALITY = 90\nX = 'open\n":         "line 2 is not Python: nothing closes the text that begins with '",
		"QUALITY = 90]":                     "line 1 is not Python: ']' closes nothing",
		"\n<thumbor>90</thumbor>":           "line 2 is not Python: <thumbor>90</thumbor>",
		"quality 90":                        "line 1 is not Python: quality 90",
		"X = \"\"\"\nfor ever\nQUALITY = 1": "line 1 is not Python: nothing closes the text that begins with \"\"\"",
	} {
		if c, err := Convert([]byte(text), false); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, want %s", text, c, err, want)
		}
	}
}

// The reasons name both branches of a condition, and the variable of the environment, and guess none.
func TestReasons(t *testing.T) {
	for text, want := range map[string]Left{
		"QUALITY = 82\nif os.environ.get('DEBUG'):\n    QUALITY = 50\nelse:\n    QUALITY = 60\n": {
			Name: "QUALITY", Reason: "it depends on a condition: 50 if os.environ.get('DEBUG'), 60 if not os.environ.get('DEBUG'), otherwise 82; set render.quality",
		},
		"QUALITY = 50 if DEBUG else 80": {Name: "QUALITY", Reason: "its value cannot be read: it is 50 if DEBUG, otherwise 80; set render.quality"},
		"MAX_AGE = int(os.environ.get('AGE', 60))": {
			Name: "MAX_AGE", Reason: "its value cannot be read: it comes from the environment variable 'AGE', without it 60; set edge.max_age",
		},
		"SECURITY_KEY = os.environ['KEY']": {Name: "SECURITY_KEY", Reason: "it comes from the environment variable 'KEY'; set edge.security_key"},
		"SECURITY_KEY = os.getenv('KEY', 'not-for-anybody')": {
			Name: "SECURITY_KEY", Reason: "it comes from the environment variable 'KEY'; set edge.security_key",
		},
		"LOADER = 'thumbor_aws.loader'\nAWS_LOADER_S3_SECRET_ACCESS_KEY = os.getenv('K', 'not-for-anybody')": {
			Name: "AWS_LOADER_S3_SECRET_ACCESS_KEY", Reason: "it comes from the environment variable 'K'",
		},
		"AUTO_IMAGE_FORMAT_PREFERENCE = ['heif']": {Name: "AUTO_IMAGE_FORMAT_PREFERENCE", Reason: "HEIF is only read, not written"},
		"HEALTHCHECK_ROUTE = '/ping'":             {Name: "HEALTHCHECK_ROUTE", Reason: "it is /healthcheck"},
		"ENABLE_ETAGS = False":                    {Name: "ENABLE_ETAGS", Reason: "thumbmill always does this"},
	} {
		c, err := Convert([]byte(text), false)
		if err != nil || len(c.Left) != 1 || c.Left[0] != want {
			t.Errorf("%s: %q, %v, want %q", text, c.Left, err, want)
		}
		if _, guessed := c.Values["render.quality"]; guessed && strings.HasPrefix(text, "QUALITY") {
			t.Errorf("%s: the quality is a guess: %v", text, c.Values)
		}
	}
}

// A name whose value depends on a condition gives no value to later lines.
func TestLaterLinesDoNotGuess(t *testing.T) {
	c, err := Convert([]byte("ROOT = '/a'\nif DEBUG:\n    ROOT = '/b'\nFILE_LOADER_ROOT_PATH = ROOT + '/c'\n"), false)
	want := []Left{
		{Name: "FILE_LOADER_ROOT_PATH", Reason: "its value cannot be read: the value of ROOT is not known; set store.originals.path"},
		{Name: "ROOT", Reason: "it depends on a condition: '/b' if DEBUG, otherwise /a"},
	}
	if err != nil || !reflect.DeepEqual(c.Left, want) {
		t.Errorf("%v, %q", err, c.Left)
	}
	if path, guessed := c.Values["store.originals.path"]; guessed {
		t.Errorf("the path is a guess: %v", path)
	}
}

// A name of S3 that cannot be read gets no default.
func TestUnreadNamesOfS3(t *testing.T) {
	c, err := Convert([]byte("LOADER = 'thumbor_aws.loader'\nAWS_LOADER_BUCKET_NAME = os.environ['BUCKET']\n"), false)
	if _, guessed := c.Values["store.originals.container"]; err != nil || guessed {
		t.Errorf("%v, %v", c.Values, err)
	}
	if len(c.Left) != 2 || c.Left[0].Name != "AWS_LOADER_BUCKET_NAME" || c.Left[1].Reason != "its value is unknown: set store.originals.container" {
		t.Errorf("left: %v", c.Left)
	}
}

// Sources become hosts. A source that cannot be read is named, and the others stay.
func TestSources(t *testing.T) {
	for list, want := range map[string][]string{
		`['.+\.example\.com', 'cdn.example.org']`:                             {"*.example.com", "cdn.example.org"},
		`['a.example', re.compile(r'https?://[^/]+\.globo\.com/.*')]`:         {"a.example", "*.globo.com"},
		`[re.compile(r'^https?://(?:a|b)\.example/'), os.environ['HOST']]`:    {"a.example", "b.example"},
		`[re.compile(r'https://a\.example/public/.*'), r'(.*\.)?b\.example']`: {"b.example", "*.b.example"},
		`[re.compile(r'cdn[0-9]+\.example\.com'), 'a.example']`:               {"a.example"},
	} {
		c, err := Convert([]byte("import re\nALLOWED_SOURCES = "+list), false)
		if got := c.Values["store.originals.hosts"]; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v: %v, %v", list, got, want, c.Left, err)
		}
		if lost := strings.Contains(list, "environ") || strings.Contains(list, "public") || strings.Contains(list, "cdn["); lost != (len(c.Left) == 1) {
			t.Errorf("%s: left %v", list, c.Left)
		}
	}
}

// Accept chooses among the formats of the list. The switches count only without a list.
func TestAutoFormats(t *testing.T) {
	for text, want := range map[string][]string{
		"AUTO_IMAGE_FORMAT_PREFERENCE = ['avif','webp']":                     {"avif", "webp"},
		"AUTO_IMAGE_FORMAT_PREFERENCE = [' AVIF ', 'avif']\nAUTO_PNG = True": {"avif"},
		"AUTO_IMAGE_FORMAT_PREFERENCE = ['gif']\nAUTO_JPG = True":            {"jpg"},
		"AUTO_AVIF = True\nAUTO_WEBP = True":                                 {"webp", "avif"},
		"":                                                                   nil,
	} {
		c, err := Convert([]byte(text), false)
		got, _ := c.Values["thumbor.auto_formats"].([]string)
		if err != nil || !reflect.DeepEqual(got, want) || len(c.Left) > 0 {
			t.Errorf("%s: %v, want %v: %v, %v", text, got, want, c.Left, err)
		}
	}
}

// Secrets are written only on demand.
func TestSecrets(t *testing.T) {
	for _, secrets := range []bool{false, true} {
		c, err := Convert([]byte(wikimedias+"SECURITY_KEY = 'not-for-anybody'\n"), secrets)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.YAML("Thumbor")
		if err != nil || strings.Contains(text, "not-for-anybody") != secrets {
			t.Errorf("secrets %v: %v\n%s", secrets, err, text)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{plain, wikimedias, "QUALITY = -1", "QUALITY = 'x'\n", "POOLCOUNTER_CONFIG_PER_IP = {1: 2}", "SWIFT_HOST = b'x'", "\x00", "A = A"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Convert(text, true)
		if err != nil {
			return
		}
		text2, err := c.YAML("Thumbor")
		if err != nil {
			t.Fatal(err)
		}
		if err := koanf.New(".").Load(rawbytes.Provider([]byte(text2)), yaml.Parser()); err != nil {
			t.Fatalf("%v\n%s", err, text2)
		}
	})
}

func TestLoaders(t *testing.T) {
	const aws = "LOADER = 'thumbor_aws.loader.s3'\nAWS_LOADER_REGION_NAME = 'eu-central-1'\nAWS_LOADER_BUCKET_NAME = 'media'\nAWS_LOADER_ROOT_PATH = '/originals'\n"
	for text, want := range map[string]storeconfig.Bucket{
		"": {Kind: "http", Endpoint: "http://", Hosts: []string{"*"}},
		"LOADER = 'thumbor.loaders.https_loader'\nALLOWED_SOURCES = ['a.example', r'^b\\.example$', r'.+\\.c\\.example', '.*.d.example']": {
			Kind: "http", Endpoint: "https://", Hosts: []string{"a.example", "b.example", "*.c.example", "*.d.example"},
		},
		"LOADER = 'thumbor_aws.loader'\n": {
			Kind: "s3", Region: "us-east-1", Endpoint: "https://s3.us-east-1.amazonaws.com", Container: "thumbor", Prefix: "st/", Slash: true,
		},
		"LOADER = 'tc_aws.loaders.s3_loader'\nTC_AWS_REGION = 'eu-west-1'\nTC_AWS_LOADER_BUCKET = 'media'\n": {
			Kind: "s3", Region: "eu-west-1", Endpoint: "https://s3.eu-west-1.amazonaws.com", Container: "media",
		},
		aws: {Kind: "s3", Region: "eu-central-1", Endpoint: "https://s3.eu-central-1.amazonaws.com", Container: "media", Prefix: "originals/", Slash: true},
	} {
		c, err := Convert([]byte(text), false)
		if err != nil {
			t.Fatal(err)
		}
		got := load(t, c).Store.Originals
		got.Path, want.Path = "", ""
		if want.Container == "" {
			want.Container = got.Container
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v\n%v", text, got, want, c.Left)
		}
	}
	c, err := Convert([]byte("LOADER = 'thumbor.loaders.file_loader_http_fallback'\nALLOWED_SOURCES = ['a.example']"), false)
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, c)
	if s.Store.Originals.Kind != "directory" || len(s.Store.Loaders) != 2 || s.Store.Loaders[1].For != "https://" || s.Store.Loaders[1].Bucket.Hosts[0] != "a.example" {
		t.Errorf("%+v", s.Store)
	}
}

// Sources that cannot be read admit no host, not all hosts.
func TestUnreadHostsAreClosed(t *testing.T) {
	for _, text := range []string{"ALLOWED_SOURCES = ['^[a-z]{2}[.]example$']", "ALLOWED_SOURCES = read_sources()", "if X:\n    ALLOWED_SOURCES = ['a']\n"} {
		c, err := Convert([]byte(text), false)
		if err != nil {
			t.Fatal(err)
		}
		if hosts := c.Values["store.originals.hosts"]; !reflect.DeepEqual(hosts, []string{}) || len(c.Left) == 0 {
			t.Errorf("%s: %v, %v", text, hosts, c.Left)
		}
	}
}
