package objectstore

import (
	"errors"
	"net"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Fault returns the fault for a client after an error of a store of originals. The caller handles
// absence itself.
func Fault(err error) *fault.Fault {
	switch {
	case errors.Is(err, ErrClosed):
		return fault.Wrap(err, fault.Forbidden, "this server reads no originals from this host").
			Remedied("add the network to allow of this entry of store.originals or store.loaders, if thumbmill may read from there")
	case errors.Is(err, ErrRefused):
		return fault.Wrap(err, fault.Forbidden, "this server reads no originals from this host").
			Remedied("add the host to hosts of this entry of store.originals or store.loaders, if thumbmill may read from there")
	case errors.Is(err, ErrSlow):
		return fault.Wrap(err, fault.OriginalStore, "the original's server sends too slowly")
	case errors.Is(err, ErrElsewhere) && errors.As(err, new(*net.DNSError)):
		return fault.Wrap(err, fault.OriginalStore, "the original's host has no address: check the host in the URL")
	case errors.Is(err, ErrElsewhere) && errors.As(err, new(*net.OpError)):
		return fault.Wrap(err, fault.OriginalStore, "cannot connect to the original's own server: ask again later")
	case errors.Is(err, ErrElsewhere):
		return fault.Wrap(err, fault.OriginalStore, "the original's own server failed")
	}
	return fault.Wrap(err, fault.OriginalStore, "the original's store does not answer")
}
