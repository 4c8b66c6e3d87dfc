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

// vipsError takes libvips' errors of what has failed, behind the last warning.
func vipsError() error {
	warning := C.tm_warning()
	defer C.free(unsafe.Pointer(warning))
	text := C.GoString(warning) + "\n" + C.GoString(C.vips_error_buffer())
	forget()
	return errors.New(text)
}

// forget drops the errors and warnings so far.
func forget() {
	C.vips_error_clear()
	C.tm_clear_warning()
}

// refusal tells what a failure of libvips means for the original.
func refusal(err error) error {
	said := err.Error()
	reason := complaint.Reason(said)
	switch {
	case strings.Contains(said, "out of memory") || strings.Contains(said, "Insufficient memory"):
		return fault.New(fault.TooLarge, "this thumbnail takes more memory than a worker may use")
	case complaint.Lacks(said):
		return fault.Wrap(reason, fault.Unsupported, "this renderer lacks what such an original takes")
	}
	return fault.Wrap(reason, fault.Undecodable, "the original could not be decoded")
}

// unwritten tells what a failure to write means. Everything was decoded before, so that it
// is this thumbnail's and not the original's.
func unwritten(err error, format thumbnail.Format) error {
	kind := fault.TooLarge
	if complaint.Lacks(err.Error()) {
		kind = fault.Unsupported
	}
	return fault.Wrap(err, kind, "this thumbnail could not be written as %s", format)
}
