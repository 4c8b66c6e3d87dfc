// Package front is the edge's listener. It speaks the protocols of clients, and limits the cost of
// a client before the edge reads a request.
//
// Behind a proxy it speaks HTTP/1.1 and HTTP/2 without encryption (h2c, by prior knowledge). With a
// certificate it speaks both over TLS. When the number of connections is at its limit, the
// edge closes the connection that has been idle longest for a new one.
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
	// WriteSlack is the time in which a client must read its answer.
	WriteSlack = 60 * time.Second
	maxHeader  = 16 << 10 // bytes; net/http adds 4 KB
	// maxStreams bounds the requests under way of one HTTP/2 connection. A page asks for as many
	// at once.
	maxStreams = 128
	// maxReceive bounds the unread bytes of one HTTP/2 connection.
	maxReceive  = 256 << 10
	maxFrame    = 16 << 10 // bytes; a connection keeps memory for a frame; HTTP/2 allows no smaller bound
	pingTimeout = 15 * time.Second
	stopWithin  = 5 * time.Second  // in which a client must read a quick answer once the listener closes
	writeStall  = 30 * time.Second // after which an HTTP/2 connection that takes no bytes is closed
)

// New binds the listener, and returns its server. A handler that implements AtHand answers requests for thumbnails at
// hand without net/http's server. clients finds the client of a connection. Errors
// name the setting edge.listen or edge.tls.
func New(s settings.Edge, clients *clientaddr.Finder, handler http.Handler, log *slog.Logger, metrics prometheus.Registerer) (*httpserver.Server, error) {
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("edge.listen: %w", err)
	}
	connections := newConnections(s.MaxConnections, idleTimeout, clients, log, metrics)
	connections.quick = newQuick(handler)
	server := &http.Server{
		Handler: connections.patient(handler), ReadHeaderTimeout: headerTimeout, WriteTimeout: s.Deadline + WriteSlack, MaxHeaderBytes: maxHeader,
		ConnState: connections.stateChanged, ConnContext: remember, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), Protocols: new(http.Protocols),
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
