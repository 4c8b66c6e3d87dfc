package mediawiki

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// machine is a wiki and thumbmill as the page sets them up, at paths and addresses of its own
// in place of the page's.
type machine struct {
	t        *testing.T
	wiki     *servers.Wiki
	edge     string // host:port
	admin    string // URL
	replace  *strings.Replacer
	also     []string // more replacements in the page's text, as strings.NewReplacer takes them
	config   string   // folder of thumbmill's settings
	group    string   // that the page gives thumbmill
	umask    string
	nginx    strings.Builder // locations
	shell    []string
	ended    <-chan struct{}
	process  *exec.Cmd
	log      *bytes.Buffer
	binary   string
	sections []string
	client   *http.Client           // a reader
	shapes   map[string]image.Point // of originals, as MediaWiki has them
	checked  map[string]answer      // by URL
	// photographs are the bodies of a gallery's files.
	photographs [][]byte
	// unlikeAllowed is how many files may look otherwise than by MediaWiki itself.
	unlikeAllowed int
}

// setUp follows sections of the page, and starts everything. before changes the machine before any of
// its programs runs.
func setUp(t *testing.T, sections []string, before ...func(*machine)) *machine {
	t.Helper()
	m := &machine{t: t, wiki: servers.NewWiki(t, "PdfHandler", "PageImages"), edge: servers.FreeAddress(t), sections: sections,
		client: visitor(nil), shapes: map[string]image.Point{}, checked: map[string]answer{}}
	m.config = filepath.Join(m.wiki.Dir, "thumbmill.d")
	for _, change := range before {
		change(m)
	}
	coordinator := servers.FreeAddress(t)
	replacements := []string{
		"/var/lib/mediawiki/images", m.wiki.Images,
		"/var/lib/thumbmill", filepath.Join(m.wiki.Dir, "thumbmill"),
		"/etc/thumbmill.d", m.config,
		"/usr/share/thumbmill/mediawiki", m.extension(),
		"/etc/systemd/system", filepath.Join(m.wiki.Dir, "systemd"),
		"include fastcgi_params;", "include /etc/nginx/fastcgi_params;",
		"fastcgi_pass unix:/run/php/php-fpm.sock;", m.wiki.FastCGI(),
		"127.0.0.1:8888", m.edge,
		"127.0.0.1:7531", coordinator,
	}
	if os.Getuid() != 0 { // only root may change a file's owner
		replacements = append(replacements, "-o www-data -g www-data ", "")
	}
	m.replace = strings.NewReplacer(append(m.also, replacements...)...)
	m.must(os.MkdirAll(filepath.Join(m.wiki.Dir, "thumbmill", "originals"), 0o755))
	m.must(os.Mkdir(m.config, 0o755))
	packaged, err := os.ReadFile(root + "/deploy/debian/10-thumbmill.yaml")
	m.must(err)
	m.write(m.config+"/10-thumbmill.yaml", m.replace.Replace(string(packaged)))
	m.write(m.config+"/20-test.yaml", fmt.Sprintf("edge: {listen: %s}\nadmin: {listen: '127.0.0.1:0'}\ncoordinator: {listen: [%s]}\n", m.edge, coordinator))
	for _, b := range blocks(t, sections...) {
		m.apply(b)
	}
	m.run()
	m.start()
	m.wiki.Own(fmt.Sprintf(ownSettings, m.wiki.Dir))
	m.wiki.Serve(m.nginx.String())
	return m
}

// extension copies MediaWiki's extension to where php-fpm can read it, and returns its folder.
func (m *machine) extension() string {
	m.t.Helper()
	folder := filepath.Join(m.wiki.Dir, "extension")
	m.must(os.CopyFS(folder, os.DirFS(root+"/deploy/mediawiki")))
	return folder
}

// ownSettings are those under which MediaWiki makes thumbnails itself, for comparison.
const ownSettings = `$wgLocalFileRepo['thumbDir'] = '%[1]s/tmp/own-thumbnails';
unset( $wgLocalFileRepo['thumbProxyUrl'], $wgLocalFileRepo['zones'] );
`

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) write(file, text string) {
	m.t.Helper()
	m.must(os.MkdirAll(filepath.Dir(file), 0o755))
	m.must(os.WriteFile(file, []byte(text), 0o644)) //nolint:gosec // other users read it
}

// apply follows one block of the page.
func (m *machine) apply(b block) {
	m.t.Helper()
	text := m.replace.Replace(b.text)
	switch b.language {
	case "yaml":
		m.write(m.replace.Replace(b.file), text)
	case "ini":
		m.unit(text)
	case "nginx":
		m.nginx.WriteString(text)
	case "php":
		m.wiki.Configure(text)
	case "sh":
		m.shell = append(m.shell, text)
	default:
		m.t.Errorf("%s: no test knows blocks of %s", b.section, b.language)
	}
}

var unitLine = regexp.MustCompile(`(?m)^(Group|UMask)=(.*)$`)

// unit takes the group and the mask that a drop-in of systemd gives to thumbmill.
func (m *machine) unit(text string) {
	for _, line := range unitLine.FindAllStringSubmatch(text, -1) {
		if line[1] == "Group" {
			m.group = line[2]
		} else {
			m.umask = line[2]
		}
	}
}

// run runs the commands of the page. thumbmill is started by the test in place of systemd.
func (m *machine) run() {
	m.t.Helper()
	for _, text := range m.shell {
		cmd := exec.CommandContext(m.t.Context(), "bash", "-euo", "pipefail", "-c", "systemctl() { :; }\n"+text)
		if out, err := cmd.CombinedOutput(); err != nil {
			m.t.Fatalf("%s: %v\n%s", text, err, out)
		}
	}
}

// start starts thumbmill as the user that the packages have, or as this one where it may not.
func (m *machine) start() {
	m.t.Helper()
	home := filepath.Join(m.wiki.Dir, "thumbmill")
	args := []string{"serve", "--config", m.config, "--print-addresses"}
	m.process = exec.Command(m.program(), args...)
	if _, err := user.Lookup("daemon"); os.Getuid() == 0 && err == nil && m.group != "" {
		m.must(exec.Command("chown", "-R", "daemon:"+m.group, home).Run())
		m.process = exec.Command("setpriv", append([]string{"--reuid=daemon", "--regid=" + m.group, "--clear-groups", "--pdeathsig=KILL", "sh", "-c", `umask ` + m.umask + `; exec "$0" "$@"`, m.program()}, args...)...)
	}
	m.process.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "XDG_RUNTIME_DIR="+home, "HOME="+home, "TMPDIR="+m.temp())
	m.process.Dir = home
	m.log = &bytes.Buffer{}
	m.process.Stderr = m.log
	out, err := m.process.StdoutPipe()
	m.must(err)
	m.ended, err = servers.Launch(m.process)
	m.must(err)
	m.t.Cleanup(m.stop)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var addresses struct{ Admin string }
	if err != nil || json.Unmarshal(line, &addresses) != nil {
		_ = m.process.Process.Kill()
		<-m.ended
		m.t.Fatalf("thumbmill says %q: %v\n%s", line, err, m.log)
	}
	m.admin = addresses.Admin
}

// temp is a folder for files of a moment that everybody may write to.
func (m *machine) temp() string {
	folder := filepath.Join(m.wiki.Dir, "temp")
	m.must(os.MkdirAll(folder, 0o755))
	m.must(os.Chmod(folder, 0o777|os.ModeSticky)) //nolint:gosec // as /tmp
	return folder
}

// program is thumbmill where other users can run it.
func (m *machine) program() string {
	m.t.Helper()
	if m.binary == "" {
		m.binary = filepath.Join(m.wiki.Dir, "thumbmill-program")
		body, err := os.ReadFile(filepath.Join(programs.Build(m.t, programs.Thumbmill), "thumbmill"))
		m.must(err)
		m.must(os.WriteFile(m.binary, body, 0o755)) //nolint:gosec // a program
	}
	return m.binary
}

func (m *machine) stop() {
	_ = m.process.Process.Signal(syscall.SIGTERM)
	<-m.ended
	if m.t.Failed() {
		m.t.Logf("thumbmill said:\n%s", m.log)
	}
}

// settings are thumbmill's, as it reads them.
func (m *machine) settings() settings.Settings {
	m.t.Helper()
	s, err := settings.Load(m.config, nil, nil)
	m.must(err)
	return s
}
