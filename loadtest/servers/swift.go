package servers

import (
	_ "embed" // the launcher
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/thumbmill/thumbmill/shared/settings"
)

//go:embed launch_swift.py
var swiftLauncher []byte

// Debian's Python, never another one: python3-swift belongs to it.
const python = "/usr/bin/python3"

// Swift starts a real Swift of one node, in about five seconds, and gives the
// settings of an account in it.
func Swift(t testing.TB) settings.Bucket { return SwiftBefore(t, "") }

// SwiftBefore is Swift whose proxy asks edges for thumbnails that it does not have.
func SwiftBefore(t testing.TB, edges string) settings.Bucket {
	t.Helper()
	return StartSwift(t, edges).Bucket
}

// SwiftServer is a running Swift.
type SwiftServer struct {
	settings.Bucket
	t         testing.TB
	dir       string
	memcached string
}

// Signal sends a signal to one of its servers: object, container, account, proxy.
func (s SwiftServer) Signal(server string, what syscall.Signal) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, server+".pid"))
	pid, _ := strconv.Atoi(string(text))
	if err == nil && pid > 0 {
		err = syscall.Kill(pid, what)
	}
	if err != nil {
		s.t.Fatalf("swift's %s server: %v", server, err)
	}
}

// ForgetTokens makes all tokens invalid that it gave.
func (s SwiftServer) ForgetTokens() {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.memcached)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answer := make([]byte, 16)
	if _, err = conn.Write([]byte("flush_all\r\n")); err == nil {
		_, err = conn.Read(answer)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// StartSwift is SwiftBefore, for tests that disturb it.
func StartSwift(t testing.TB, edges string) SwiftServer {
	t.Helper()
	if exec.Command(python, "-c", "import swift.proxy.server").Run() != nil {
		t.Skip("Swift is not installed: run `make deps`")
	}
	memcached := Memcached(t)
	dir := memoryDir(t)
	script := filepath.Join(dir, "launch.py")
	if err := os.WriteFile(script, swiftLauncher, 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePorts(t, 4)
	start(t, nil, "env", "FORGETFUL=1", "MEMCACHED="+memcached, "EDGES="+edges, "MIDDLEWARE="+filepath.Join(repository(), "deploy", "swift"),
		python, "-W", "ignore", script, dir, strconv.Itoa(port))
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	for i := range 4 {
		await(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)))
	}
	awaitAuth(t, base)
	return SwiftServer{
		Bucket: settings.Bucket{
			Kind: "swift", AuthURL: base + "/auth/v1.0", User: "test:tester", Key: "testing",
			Container: "default", CreateAll: true, ExpireShare: 1,
		},
		t: t, dir: dir, memcached: memcached,
	}
}

// Account is what a user of Swift without an account of its own has: what containers let it.
// There are two: edge and renderer.
func (s SwiftServer) Account(name string) settings.Bucket {
	b := s.Bucket
	b.User, b.Key, b.CreateAll = "test:"+name, map[string]settings.Secret{"edge": "looking", "renderer": "drawing"}[name], false
	return b
}

// Container makes a container, with those who may read and write it, as X-Container-Read
// and X-Container-Write have them.
func (s SwiftServer) Container(name, readers, writers string) {
	s.t.Helper()
	conn := &swift.Connection{UserName: s.User, ApiKey: string(s.Key), AuthUrl: s.AuthURL}
	if err := conn.ContainerCreate(s.t.Context(), name, swift.Headers{"X-Container-Read": readers, "X-Container-Write": writers}); err != nil {
		s.t.Fatal(err)
	}
}

// S3 starts a real Swift with its S3 interface, and gives the settings of a bucket in it.
func S3(t testing.TB) settings.Bucket {
	t.Helper()
	s := Swift(t)
	return settings.Bucket{
		Kind: "s3", Endpoint: strings.TrimSuffix(s.AuthURL, "/auth/v1.0"), Region: "us-east-1", User: s.User, Key: s.Key,
		Container: "pictures", CreateAll: true,
	}
}

// repository is this module's root.
func repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// memoryDir is a folder in memory where there is one: Swift on a disk is several
// times slower.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "thumbmill-swift-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func awaitAuth(t testing.TB, base string) {
	t.Helper()
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	for deadline := time.Now().Add(startWithin); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		request, _ := http.NewRequest(http.MethodGet, base+"/auth/v1.0", nil)
		request.Header.Set("X-Auth-User", "test:tester")
		request.Header.Set("X-Auth-Key", "testing")
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("Swift does not let anybody in")
}
