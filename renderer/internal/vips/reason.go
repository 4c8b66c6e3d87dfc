package vips

// #include <stdlib.h>
// #include "vips.h"
// #include "warnings.h"
import "C"

import (
	"errors"
	"strings"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/complaint"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// vipsError returns the last warning and libvips' errors, and clears both.
func vipsError() error {
	warning := C.tm_warning()
	defer C.free(unsafe.Pointer(warning))
	text := C.GoString(warning) + "\n" + C.GoString(C.vips_error_buffer())
	forget()
	return errors.New(text)
}

// forget clears libvips' errors and the last warning.
func forget() {
	C.vips_error_clear()
	C.tm_clear_warning()
}

// refusal returns the fault of the original for a failure of libvips: TooLarge, Unsupported or Undecodable.
func refusal(err error) error {
	said := err.Error()
	reason := complaint.Reason(said)
	switch {
	case strings.Contains(said, "out of memory") || strings.Contains(said, "Insufficient memory"):
		return fault.New(fault.TooLarge, "this thumbnail needs more memory than a worker may use")
	case complaint.Lacks(said):
		return fault.Wrap(reason, fault.Unsupported, "this renderer's libraries cannot read this kind of original")
	}
	return fault.Wrap(reason, fault.Undecodable, "the original could not be decoded")
}

// unwritten returns the fault of a thumbnail that an encoder failed to write. The original is decoded
// by then, so the original is not at fault.
func unwritten(err error, format thumbnail.Format) error {
	kind := fault.TooLarge
	if complaint.Lacks(err.Error()) {
		kind = fault.Unsupported
	}
	return fault.Wrap(err, kind, "this thumbnail could not be written as %s", format)
}
