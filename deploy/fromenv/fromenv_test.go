package fromenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/thumbmill/thumbmill/deploy/conversion"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func convert(t *testing.T, d Dialect, text string, secrets bool) (conversion.Conversion, settings.Settings) {
	t.Helper()
	c, err := Convert(d, []byte(text), secrets)
	if err != nil {
		t.Fatal(err)
	}
	written, err := c.YAML(d.Name)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(file, nil, nil)
	if err != nil {
		t.Fatalf("the settings are refused: %v\n%s", err, written)
	}
	return c, s
}

func left(c conversion.Conversion) (names []string) {
	for _, l := range c.Left {
		names = append(names, l.Name)
	}
	return names
}

func TestImgproxysSite(t *testing.T) {
	c, s := convert(t, Imgproxy(), `
# a site
export IMGPROXY_BIND="127.0.0.1:8080"
IMGPROXY_KEY=736563726574,6b32
IMGPROXY_SALT=68656C6C6F,7332
IMGPROXY_SIGNATURE_SIZE=8
IMGPROXY_QUALITY=70
IMGPROXY_FORMAT_QUALITY=jpeg=75,webp=60
IMGPROXY_AUTO_WEBP=true
IMGPROXY_AUTO_AVIF=1
IMGPROXY_AUTO_ROTATE=false
IMGPROXY_TTL=86400
IMGPROXY_PRESETS='default=q:50,card=rs:fill:300:200/g:sm'
IMGPROXY_MAX_SRC_RESOLUTION=16.8
IMGPROXY_MAX_SRC_FILE_SIZE=10000000
IMGPROXY_LOCAL_FILESYSTEM_ROOT=/srv/media
IMGPROXY_ALLOWED_SOURCES=https://*.example.com/,http://a.example:8080/
IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES=true
IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES=false
IMGPROXY_USE_S3=true
IMGPROXY_S3_REGION=eu-central-1
IMGPROXY_S3_ALLOWED_BUCKETS=media,press
IMGPROXY_STRIP_METADATA=true
PATH=/usr/bin
`, true)
	if len(c.Left) > 0 {
		t.Errorf("left: %v", c.Left)
	}
	i := s.Imgproxy
	if !i.Enabled || i.SignatureSize != 8 || len(i.Keys) != 2 || i.Keys[1] != (settings.ImgproxyKey{Name: "imgproxy-2", Key: "6b32", Salt: "7332"}) || i.Presets["card"] != "rs:fill:300:200/g:sm" || i.Presets["default"] != "q:50" {
		t.Errorf("%#v", i)
	}
	if s.Edge.Listen != "127.0.0.1:8080" || s.Edge.AllowUnsafe || s.Edge.MaxAge.Hours() != 24 || s.Render.Quality != 70 || s.Render.Qualities["webp"] != 60 || s.Render.Qualities["jpg"] != 75 || s.Render.RespectOrientation {
		t.Errorf("%+v %+v", s.Edge, s.Render)
	}
	if !slices.Equal(s.Thumbor.AutoFormats, []string{"avif", "webp"}) || s.Renderer.MaxPixels != 16_800_000 || s.Renderer.MaxOriginalBytes != 10_000_000 {
		t.Errorf("%v %v %v", s.Thumbor.AutoFormats, s.Renderer.MaxPixels, s.Renderer.MaxOriginalBytes)
	}
	if s.Store.Originals.Path != "/srv/media" || len(s.Store.Loaders) != 4 {
		t.Fatalf("%+v", s.Store)
	}
	web, bucket := s.Store.Loaders[0], s.Store.Loaders[3]
	if !slices.Equal(web.Bucket.Hosts, []string{"*.example.com", "a.example:8080"}) || !slices.Contains(web.Bucket.Allow, "127.0.0.0/8") {
		t.Errorf("%+v", web)
	}
	if bucket.For != "s3/press/" || bucket.Bucket.Container != "press" || bucket.Bucket.Endpoint != "https://s3.eu-central-1.amazonaws.com" {
		t.Errorf("%+v", bucket)
	}
}

// Without a file, imgproxy serves every public site. The environment does not tell whether imgproxy has keys from elsewhere,
// so the converted site stays closed.
func TestImgproxysDefaults(t *testing.T) {
	c, s := convert(t, Imgproxy(), "", false)
	if !slices.Equal(left(c), []string{"IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES", "IMGPROXY_KEY"}) {
		t.Errorf("left: %v", c.Left)
	}
	if s.Edge.AllowUnsafe || s.Render.Quality != 80 || s.Render.Qualities["webp"] != 79 || len(s.Store.Loaders) != 2 || s.Renderer.MaxPixels != 50_000_000 {
		t.Errorf("%+v", s.Edge)
	}
}

func TestImagorsSite(t *testing.T) {
	c, s := convert(t, Imagor(), `PORT=8000
IMAGOR_SECRET=mysecret
IMAGOR_SIGNER_TYPE=sha256
IMAGOR_SIGNER_TRUNCATE=40
IMAGOR_AUTO_WEBP=1
IMAGOR_UNSAFE=0
IMAGOR_CACHE_HEADER_TTL=24h
SERVER_CORS=1
S3_LOADER_BUCKET=media
S3_LOADER_BASE_DIR=/images
AWS_REGION=eu-west-1
AWS_ACCESS_KEY_ID=id
AWS_SECRET_ACCESS_KEY=secret
HTTP_LOADER_ALLOWED_SOURCES=*.example.com,https://b.example/
HTTP_LOADER_BLOCK_PRIVATE_NETWORKS=1
VIPS_MAX_WIDTH=2000
VIPS_CONCURRENCY=1
HOME=/root
`, true)
	if got := left(c); !slices.Equal(got, []string{"VIPS_CONCURRENCY"}) {
		t.Errorf("left: %v", c.Left)
	}
	key := settings.SecurityKey{Name: "imagor", Key: "mysecret", Algorithm: "sha256", Truncate: 40}
	if len(s.Edge.SecurityKeys) != 1 || s.Edge.SecurityKeys[0] != key || s.Edge.AllowUnsafe || s.Edge.Listen != ":8000" || s.Edge.MaxAge.Hours() != 24 || len(s.Edge.CORS) != 1 {
		t.Errorf("%+v", s.Edge)
	}
	o := s.Store.Originals
	if o.Kind != "s3" || o.Container != "media" || o.Prefix != "images/" || o.User != "id" || string(o.Key) != "secret" || o.Endpoint != "https://s3.eu-west-1.amazonaws.com" {
		t.Errorf("%+v", o)
	}
	if len(s.Store.Loaders) != 2 || !slices.Equal(s.Store.Loaders[1].Bucket.Hosts, []string{"*.example.com", "b.example"}) || s.Thumbor.MaxWidth != 2000 {
		t.Errorf("%+v", s.Store.Loaders)
	}
}

func TestImagorsDefaults(t *testing.T) {
	_, s := convert(t, Imagor(), "", false)
	if s.Store.Originals.Kind != "http" || s.Store.Originals.Scheme() != "https://" || s.Edge.AllowUnsafe {
		t.Errorf("%+v", s.Store.Originals)
	}
	_, s = convert(t, Imagor(), "FILE_LOADER_BASE_DIR=/srv\nHTTP_LOADER_DISABLE=1", false)
	if s.Store.Originals.Path != "/srv" || len(s.Store.Loaders) != 0 {
		t.Errorf("%+v", s.Store)
	}
}

// No variable vanishes: a value other than the usual one becomes a setting, or is named with a reason.
func TestNoVariableVanishes(t *testing.T) {
	for _, d := range []Dialect{Imgproxy(), Imagor()} {
		before, err := Convert(d, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range d.rules {
			if r.read == nil && r.reason == "" { // converted together with others, in the tests above
				continue
			}
			for _, value := range []string{"1", "true", "7", "a=8"} {
				after, err := Convert(d, []byte(name+"="+value), true)
				if err != nil {
					t.Fatal(err)
				}
				told := slices.ContainsFunc(after.Left, func(l conversion.Left) bool { return l.Name == name })
				_, set := after.Values[r.key]
				if !told && !(set && r.key != "") && !same(value, r.usual) {
					t.Errorf("%s=%s vanishes: %v %v", name, value, after.Left, len(before.Left))
				}
			}
		}
	}
}

func TestSecretsStayOut(t *testing.T) {
	const secret = "5ec4e75ec4e7"
	for _, c := range []struct {
		d    Dialect
		text string
	}{
		{Imgproxy(), "IMGPROXY_KEY=" + secret + "\nIMGPROXY_SALT=" + secret + "\nIMGPROXY_SOURCE_URL_ENCRYPTION_KEY=" + secret},
		{Imagor(), "IMAGOR_SECRET=" + secret + "\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=" + secret + "\nS3_LOADER_BUCKET=media"},
	} {
		converted, _ := convert(t, c.d, c.text, false)
		text, err := converted.YAML(c.d.Name)
		if err != nil || strings.Contains(text, secret) || !strings.Contains(text, "--secrets") {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if _, err := Convert(Imgproxy(), []byte("IMGPROXY_KEY=1\n"+secret), false); err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func TestReasons(t *testing.T) {
	c, _ := convert(t, Imgproxy(), "IMGPROXY_USE_GCS=true\nIMGPROXY_ADVANCED_THING=1\nIMGPROXY_QUALITY=high\nIMGPROXY_ALLOWED_SOURCES=https://a.example/photos/\nIMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES=0\nIMGPROXY_USE_S3=1\nIMGPROXY_PRESETS=card", false)
	want := []string{"IMGPROXY_ADVANCED_THING", "IMGPROXY_ALLOWED_SOURCES", "IMGPROXY_KEY", "IMGPROXY_PRESETS", "IMGPROXY_QUALITY", "IMGPROXY_USE_GCS", "IMGPROXY_USE_S3"}
	if !slices.Equal(left(c), want) {
		t.Errorf("%v", c.Left)
	}
}

func FuzzConvert(f *testing.F) {
	f.Add("export IMGPROXY_KEY='736563'\nIMGPROXY_PRESETS=a=b,c\nIMGPROXY_USE_S3=1\nIMGPROXY_S3_ALLOWED_BUCKETS=a,b")
	f.Add("IMAGOR_SECRET=x\nS3_LOADER_BUCKET=b\nHTTP_LOADER_ALLOWED_SOURCES=*,a")
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []Dialect{Imgproxy(), Imagor()} {
			c, err := Convert(d, []byte(text), true)
			if err != nil {
				continue
			}
			written, err := c.YAML(d.Name)
			k := koanf.New(".")
			if err == nil {
				err = k.Load(rawbytes.Provider([]byte(written)), yaml.Parser())
			}
			if err != nil {
				t.Errorf("%q gives no YAML: %v", text, err)
			}
		}
	})
}
