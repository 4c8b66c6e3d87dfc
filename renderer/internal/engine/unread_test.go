package engine

import (
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// A library that lacks a coding is no fault of the original.
func TestAMissingCodingIsNoDamage(t *testing.T) {
	refused := fault.New(fault.Undecodable, "the original could not be decoded")
	for _, c := range []struct {
		uncompressed bool
		err          error
		want         fault.Kind
	}{
		{true, refused, fault.Unsupported},
		{false, refused, fault.Undecodable},
		{true, fault.New(fault.Overran, "the render took too long"), fault.Overran},
	} {
		if got := fault.Of(whyNotRead(guard.Header{Uncompressed: c.uncompressed}, c.err)).Kind; got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
