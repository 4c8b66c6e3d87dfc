// Package front is the edge's listener: the protocols that clients speak, and the limits
// on what they may cost before a request is read.
//
// HTTP/1.1 and HTTP/2 without encryption (h2c, by prior knowledge) behind a proxy; with a
// certificate both over TLS. When there are as many connections as may be, the one that
// has been idle longest gives way to a new one.
package front

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/service/httpserver"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	headerTimeout = 10 * time.Second // from the first byte of a request to the end of its head
	idleTimeout   = 75 * time.Second
	// WriteSlack is how long a client may take to read its answer.
	WriteSlack = 60 * time.Second
	maxHeader  = 16 << 10 // bytes; net/http adds 4 KB
	// maxStreams of one HTTP/2 connection: as many requests as a page asks for at once.
	maxStreams = 128
	// maxReceive bounds what one HTTP/2 connection may send before it is read.
	maxReceive  = 256 << 10
	maxFrame    = 16 << 10 // which a connection keeps memory for: the least that HTTP/2 allows
	pingTimeout = 15 * time.Second
	writeStall  = 30 * time.Second // of an HTTP/2 connection that takes nothing
)

// New binds the listener. clients tells whose a connection is.
func New(s settings.Edge, clients *clientaddr.Finder, handler http.Handler, log *slog.Logger, metrics prometheus.Registerer) (*httpserver.Server, error) {
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("edge.listen: %w", err)
	}
	connections := newConnections(s.MaxConnections, idleTimeout, clients, log, metrics)
	server := &http.Server{
		Handler: connections.patient(handler), ReadHeaderTimeout: headerTimeout, WriteTimeout: s.Deadline + WriteSlack, MaxHeaderBytes: maxHeader,
		ConnState: connections.note, ConnContext: remember, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: maxReceive, MaxReceiveBufferPerStream: maxReceive / 4,
			MaxReadFrameSize: maxFrame, SendPingTimeout: pingTimeout, PingTimeout: pingTimeout, WriteByteTimeout: writeStall,
		},
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	if s.TLS.Certificate != "" {
		if server.TLSConfig, err = certificate.Reloading(s.TLS, log); err != nil {
			_ = listener.Close()
			return nil, fmt.Errorf("edge.tls: %w", err)
		}
	}
	return httpserver.New(limited{listener, connections}, server, log), nil
}
