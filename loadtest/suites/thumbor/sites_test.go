package thumbor

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// origins is the address of all hosts of originals.
const origins = "127.9.9.9"

// serveOriginals serves the originals at port 80 of origins, and resolves every name to it in this process.
func serveOriginals(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", origins+":80")
	if err != nil {
		t.Skipf("serve originals: %v", err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir("testdata/originals")), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	names := nameServer(t)
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, names)
	}}
	t.Cleanup(func() { net.DefaultResolver = before })
}

// nameServer answers every question for an IPv4 address with origins, and returns its own address.
func nameServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		answer := new(dns.Msg).SetReply(question)
		if question.Question[0].Qtype == dns.TypeA {
			head := dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}
			answer.Answer = append(answer.Answer, &dns.A{Hdr: head, A: net.ParseIP(origins)})
		}
		_ = w.WriteMsg(answer)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return conn.LocalAddr().String()
}

// ofThisMachine are the lines that replace a configuration's settings of the site's machine and network: names of hosts
// resolve to origins, nothing is stored, and nothing is reported. With Pillow's indexed mode, GIFs of one frame are empty.
const ofThisMachine = `
import socket
socket.getaddrinfo = (lambda real: lambda host, *args, **named: real('` + origins + `' if str(host)[:1].isalpha() else host, *args, **named))(socket.getaddrinfo)
STORAGE = 'thumbor.storages.no_storage'
RESULT_STORAGE = None
USE_CUSTOM_ERROR_HANDLING = False
METRICS = 'thumbor.metrics.logger_metrics'
PILLOW_PRESERVE_INDEXED_MODE = False
`

// startThumbor starts Thumbor with a configuration, until the end of the test, and returns its URL.
func startThumbor(t *testing.T, pythonPath, text string) string {
	t.Helper()
	text += ofThisMachine
	if strings.Contains(text, "thumbor_aws.loader") {
		folder, _ := filepath.Abs("testdata/originals")
		text += "LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = '" + folder + "'\n"
	}
	path := filepath.Join(t.TempDir(), "thumbor.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := servers.FreeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	var said bytes.Buffer
	command := exec.Command("/usr/bin/python3", "-m", "thumbor.server", "-i", host, "-p", port, "-c", path)
	command.Env = append(os.Environ(), "PYTHONPATH="+pythonPath)
	command.Stdout, command.Stderr = &said, &said
	ended, err := servers.Launch(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("Thumbor says: %.2000s", said.String())
		}
	})
	listens(t, "Thumbor", address)
	return "http://" + address
}
