package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/deploy/credentials"
	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/swiftstore"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	key    = "a key of this test alone"
	secret = "a secret of this test alone"
)

// site has all parts that a request can pass: nginx, two edges, two coordinators, three NATS
// servers, two memcached, two renderers and a Swift. Each role connects to other parts over its own
// links, which a test can cut.
type site struct {
	t          *testing.T
	dir, root  string
	parts      map[string]*process
	links      map[string]*wire.Link // "edge-1 nats-1"
	address    map[string]string     // of parts, and of operators' listeners: "edge-1 admin"
	swift      servers.SwiftServer
	backend    *wire.Disturbed // in front of Swift
	greedy     *greedy
	relaunched time.Time      // time of the last start after a kill
	temp       string         // folder of the renderers' temporary files
	queue      string         // folder of JetStream's files
	small      bool           // temp and queue are small separate file systems, which a test can fill
	front      string         // URL
	binaries   string         // folder of this version's roles
	nats       string         // program of NATS
	load       *visitors.Load // the load on the site
	variant    variant
}

// variant is a variant of a site.
type variant struct {
	name string
	// earlier is the commit of the roles' first version.
	earlier string
	// classic replaces coordinators by the original poolcounterd.
	classic bool
	// clocks builds roles whose clock can be wrong.
	clocks bool
	// slow builds NATS servers whose disks can be slow.
	slow bool
	// folder keeps thumbnails in a folder of all machines, as on a shared file system.
	folder bool
}

func edgesOf() []string        { return []string{"edge-1", "edge-2"} }
func coordinatorsOf() []string { return []string{"coordinator-1", "coordinator-2"} }
func renderersOf() []string    { return []string{"renderer-1", "renderer-2"} }
func natsOf() []string         { return []string{"nats-1", "nats-2", "nats-3"} }
func memcachedOf() []string    { return []string{"memcached-1", "memcached-2"} }

func (s *site) roles() []string {
	if s.variant.classic {
		return slices.Concat(renderersOf(), edgesOf())
	}
	return slices.Concat(coordinatorsOf(), renderersOf(), edgesOf())
}

// startSite builds and starts a site.
func startSite(t *testing.T, v variant) *site {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"nginx", "memcached"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: run `make deps`", program)
		}
	}
	s := &site{t: t, dir: t.TempDir(), root: root, parts: map[string]*process{}, links: map[string]*wire.Link{}, address: map[string]string{}, variant: v}
	s.nats = filepath.Join(programs.Build(t, programs.NATSServer), "nats-server")
	binaries := programs.Build(t, ours()...)
	s.binaries = binaries
	if v.earlier != "" {
		binaries = s.buildEarlier()
	}
	if v.clocks {
		s.buildSkewed()
	}
	if v.slow {
		s.buildSlow()
	}
	s.swift = servers.StartSwift(t, "")
	s.greedy = &greedy{site: s, fetched: map[string]bool{}, read: map[string]bool{}}
	behind := wire.Disturb(t, strings.TrimSuffix(s.swift.Bucket.AuthURL, "/auth/v1.0"))
	behind.Do(isGreedy, s.greedy.fetch)
	s.backend = wire.Disturb(t, behind.URL)
	s.fillStore()
	var small [2]bool
	s.temp, small[0] = s.smallDisk("temp")
	s.queue, small[1] = s.smallDisk("queue")
	s.small = small[0] && small[1]
	if err := credentials.Write(s.path("nats"), credentials.Options{}); err != nil {
		t.Fatal(err)
	}
	s.addParts(binaries)
	t.Cleanup(s.stop)
	s.startAll()
	return s
}

// addParts adds all parts except Swift, with the roles of a folder.
func (s *site) addParts(binaries string) {
	s.t.Helper()
	for _, name := range slices.Concat(natsOf(), memcachedOf(), s.roles()) {
		s.address[name], s.address[name+" admin"] = servers.FreeAddress(s.t), servers.FreeAddress(s.t)
	}
	for i, name := range natsOf() {
		s.add(name, "http://"+s.address[name+" admin"]+"/healthz", []string{slowDisk + "=" + s.path(slowDisk)}, s.nats, "-c", s.natsConfig(i))
	}
	for _, name := range memcachedOf() {
		host, port, _ := net.SplitHostPort(s.address[name])
		s.add(name, "", nil, "memcached", "-u", "root", "-l", host, "-p", port, "-U", "0", "-m", "16")
	}
	if s.variant.classic {
		s.address["coordinator-1"] = servers.Poolcounterd(s.t)
	}
	for _, name := range s.roles() {
		s.addRole(name, binaries)
	}
	s.addFront()
}

func ours() []string {
	return []string{programs.Edge, programs.Coordinator, programs.Renderer}
}

// buildEarlier builds the roles of the earlier version, if the history has it.
func (s *site) buildEarlier() (folder string) {
	s.t.Helper()
	source := s.path("earlier")
	script := fmt.Sprintf("git -C %q archive %s | tar -x -C %q", s.root, s.variant.earlier, source)
	if err := os.Mkdir(source, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if out, err := exec.Command("bash", "-o", "pipefail", "-c", script).CombinedOutput(); err != nil {
		s.t.Skipf("the earlier version %s is not in this copy of the history: %s", s.variant.earlier, out)
	}
	binaries := s.path("earlier-binaries")
	build(s.t, source, binaries, ours())
	return binaries
}

// use assigns later failures to a test.
func (s *site) use(t *testing.T) {
	s.t = t
	s.load.Use(t)
	for _, p := range s.parts {
		p.t = t
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, text string) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

func (s *site) add(name, ready string, env []string, command ...string) {
	s.parts[name] = &process{t: s.t, name: name, command: command, env: env, ready: ready, log: s.path(name + ".log")}
}

// startAll starts all parts at once, as after a power failure.
func (s *site) startAll() {
	s.t.Helper()
	order := slices.Concat(natsOf(), memcachedOf(), s.roles(), []string{"nginx"})
	for _, name := range order {
		s.parts[name].launch()
	}
	s.relaunched = time.Now()
	for _, name := range order {
		s.parts[name].await()
	}
}

func (s *site) stop() {
	for _, name := range slices.Concat([]string{"nginx"}, s.roles(), memcachedOf(), natsOf()) {
		p := s.parts[name]
		p.signal(syscall.SIGKILL)
		if p.ended != nil {
			<-p.ended
		}
		if s.t.Failed() {
			s.t.Log(p.tail())
		}
	}
}

func (s *site) natsConfig(i int) string {
	name := natsOf()[i]
	routes := make([]string, 0, 3)
	for _, other := range natsOf() {
		if s.address[other+" route"] == "" {
			s.address[other+" route"] = servers.FreeAddress(s.t)
		}
		if other != name {
			routes = append(routes, "nats://"+s.link(name, other, s.address[other+" route"]))
		}
	}
	return s.write(name+".conf", fmt.Sprintf(`
server_name: %s
listen: %s
http: %s
jetstream: { store_dir: %q, max_memory_store: 256MB }
# Others are told of an address where nobody is, so that they keep to the links.
cluster: { name: thumbmill, listen: %s, advertise: "127.0.0.1:9", routes: [%s], no_advertise: true }
include %q
`, name, s.address[name], s.address[name+" admin"], filepath.Join(s.queue, name), s.address[name+" route"], strings.Join(routes, ", "), "nats/"+credentials.ServerFile))
}

// link returns the address that a role uses for a part.
func (s *site) link(from, to, address string) string {
	name := from + " " + to
	if s.links[name] == nil {
		s.links[name] = wire.New(s.t, address)
	}
	return s.links[name].Addr()
}

func (s *site) linked(from string, to []string, before string) string {
	var all []string
	for _, name := range to {
		all = append(all, before+s.link(from, name, s.address[name]))
	}
	return strings.Join(all, ",")
}

// addRole adds a role from a folder of programs.
func (s *site) addRole(name, binaries string) {
	role, _, _ := strings.Cut(name, "-")
	env := map[string]string{
		"XDG_CONFIG_HOME": s.path("config"), "THUMBMILL_ADMIN_LISTEN": s.address[name+" admin"],
	}
	coordinators := coordinatorsOf()
	if s.variant.classic {
		coordinators = coordinators[:1]
	} else {
		env["THUMBMILL_COORDINATOR_SECRET"] = secret
	}
	if role == "coordinator" {
		env["THUMBMILL_COORDINATOR_LISTEN"] = s.address[name]
	} else {
		maps.Copy(env, s.stored(name))
		env["THUMBMILL_NATS_URL"], env["THUMBMILL_NATS_REPLICAS"] = s.linked(name, natsOf(), "nats://"), "3"
		env["THUMBMILL_NATS_CREDENTIALS"] = s.path("nats/" + role + ".creds")
		env["THUMBMILL_COORDINATOR_SERVERS"] = s.linked(name, coordinators, "")
		env["THUMBMILL_MEMCACHED_SERVERS"] = s.linked(name, memcachedOf(), "")
		env["THUMBMILL_EDGE_LISTEN"], env["THUMBMILL_EDGE_SECURITY_KEY"] = s.address[name], key
		env["THUMBMILL_EDGE_TRUSTED_PROXIES"], env["THUMBMILL_THROTTLE_PER_IP_WORKERS"] = "127.0.0.1", strconv.Itoa(greedyLimit)
		env["THUMBMILL_RENDERER_SLOTS"], env["THUMBMILL_RENDERER_TEMP_DIR"] = "2", s.temp
	}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	s.add(name, "http://"+s.address[name+" admin"]+"/readyz", list, filepath.Join(binaries, role))
}

// stored returns a role's settings of Swift.
func (s *site) stored(name string) map[string]string {
	role, _, _ := strings.Cut(name, "-")
	account := s.swift.Account(role)
	url := "http://" + s.link(name, "swift", strings.TrimPrefix(s.backend.URL, "http://")) + "/auth/v1.0"
	env := map[string]string{}
	for _, bucket := range []string{"ORIGINALS", "THUMBNAILS"} {
		before := "THUMBMILL_STORE_" + bucket + "_"
		env[before+"KIND"], env[before+"AUTH_URL"], env[before+"USER"], env[before+"KEY"] = "swift", url, account.User, string(account.Key)
		env[before+"CONTAINER"] = strings.ToLower(bucket)
	}
	if s.variant.folder {
		env["THUMBMILL_STORE_THUMBNAILS_KIND"], env["THUMBMILL_STORE_THUMBNAILS_PATH"] = "directory", s.path("thumbnails")
	}
	return env
}

// fillStore draws originals and stores them. Edges only read, renderers also write thumbnails.
func (s *site) fillStore() {
	s.t.Helper()
	s.swift.Container("originals", "test:edge,test:renderer", "")
	s.swift.Container("thumbnails", "test:edge,test:renderer", "test:renderer")
	jpeg, err := samples.JPEG(samples.Landscape(640, 480))
	if err != nil {
		s.t.Fatal(err)
	}
	bucket := s.swift.Bucket
	bucket.Container = "originals"
	store := swiftstore.New(bucket)
	defer func() { _ = store.Close() }()
	for i := range originals {
		at := thumbnail.Location{Path: original(i)}
		if err := store.Put(s.t.Context(), at, jpeg, objectstore.Meta{ContentType: "image/jpeg"}); err != nil {
			s.t.Fatal(err)
		}
	}
}

const originals = 8

func original(i int) string { return fmt.Sprintf("p/%d.jpg", i%originals) }

func (s *site) signer() thumborurl.Signer { return thumborurl.Signer{Key: key} }

// visitors returns a load on the site.
func (s *site) visitors(perSecond float64) *visitors.Load {
	return visitors.New(s.t, visitors.Options{Front: s.front, PerSecond: perSecond, Fresh: func(n int) string {
		return s.signer().URL(thumborurl.Options{Image: original(n), Width: 20 + n%300, Height: 20 + n/300})
	}})
}

// smallDisk mounts a file system that a test can fill. ok is false when this process may not mount: the folder is then an
// ordinary one.
func (s *site) smallDisk(name string) (folder string, ok bool) {
	folder = s.path(name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "thumbmill-faults", folder).CombinedOutput(); err != nil {
		s.t.Logf("mount a file system: %v %s", err, out)
		return folder, false
	}
	s.t.Cleanup(func() { _ = exec.Command("umount", "-l", folder).Run() })
	return folder, true
}

// addFront adds the nginx of deploy.
func (s *site) addFront() {
	address := servers.FreeAddress(s.t)
	s.front = "http://" + address
	config := servers.NginxConfig(s.t, s.dir, address, [2]string{s.address["edge-1"], s.address["edge-2"]}, false)
	s.add("nginx", "", nil, "nginx", "-c", config)
}

// settled checks the state after a fault: all parts are ready, no lease or job is left, and no good
// original counts as failing.
func (s *site) settled() {
	s.t.Helper()
	for _, name := range s.roles() {
		s.parts[name].await()
	}
	if !s.variant.classic {
		eventually.Succeeds(s.t, 2*time.Minute, "no lease is left", s.leases)
	}
	eventually.Succeeds(s.t, time.Minute, "no job is left", s.jobs)
	if blamed := s.get("edge-1 admin", "/api/v1/failing"); strings.TrimSpace(blamed) != `{"failing":[]}` {
		s.t.Errorf("good originals count as failing: %s", blamed)
	}
}

// leases returns an error while leases are held.
func (s *site) leases() error {
	var left []error
	for _, name := range coordinatorsOf() {
		var report struct {
			Classes map[string]struct{ Holders, Waiters int64 }
		}
		if err := json.Unmarshal([]byte(s.get(name+" admin", "/api/v1/throttles?pools=0")), &report); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for class, c := range report.Classes {
			if c.Holders+c.Waiters > 0 {
				left = append(left, fmt.Errorf("%s has %d held and %d waiting of %s", name, c.Holders, c.Waiters, class))
			}
		}
	}
	return errors.Join(left...)
}

// jobs returns an error while jobs are in the queue.
func (s *site) jobs() error {
	return s.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, queue.Stream)
		if err != nil {
			return err
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
		if err == nil && info.State.Msgs > 0 {
			err = fmt.Errorf("%v", info.State.Subjects)
		}
		for _, lane := range renderjob.Lanes() {
			_, missing := js.Consumer(ctx, queue.Stream, lane.Consumer())
			err = errors.Join(err, missing)
		}
		return err
	})
}

// leader returns the NATS server that leads the stream of jobs.
func (s *site) leader() (name string) {
	s.t.Helper()
	err := s.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, queue.Stream)
		if err == nil {
			name = stream.CachedInfo().Cluster.Leader
		}
		return err
	})
	if err != nil || s.parts[name] == nil {
		s.t.Fatalf("%q leads: %v", name, err)
	}
	return name
}

// inQueue calls do with an edge's rights.
func (s *site) inQueue(do func(context.Context, jetstream.JetStream) error) error {
	conn, err := nats.Connect("nats://"+s.address["nats-1"], nats.CustomInboxPrefix(queue.Inbox("edge")), nats.UserCredentials(s.path("nats/edge.creds")))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	return do(ctx, js)
}

// get returns the answer of a listener.
func (s *site) get(name, path string) string {
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + s.address[name] + path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
