package gate

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

const unixPrefix = "unix:"

// listen binds host:port, IPv4 or IPv6, or unix:PATH. It removes the socket that a killed coordinator
// left at that path.
func listen(address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, unixPrefix)
	if !isUnix {
		return net.Listen("tcp", address)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen on %s: another process listens there already: stop it or choose another address", address)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return net.Listen("unix", path)
}

// Addrs returns the addresses in use, in the form of Config.Listen.
func (g *Gate) Addrs() (all []string) {
	for _, l := range g.listeners {
		address := l.Addr().String()
		if l.Addr().Network() == "unix" {
			address = unixPrefix + address
		}
		all = append(all, address)
	}
	return all
}

// Exposed reports whether another machine can connect.
func (g *Gate) Exposed() bool {
	for _, l := range g.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return true
		}
	}
	return false
}
