package stack

import (
	"testing"
	"unsafe"
)

// descend uses bytes of stack in frames of about 200 bytes.
//
//go:noinline
func descend(bytes int) byte {
	var frame [200]byte
	frame[bytes%len(frame)] = 1
	if bytes < len(frame) {
		return frame[0]
	}
	return descend(bytes-len(frame)) + frame[1]
}

// moves reports whether the stack of a new goroutine moves while it uses bytes of it, after begin.
func moves(begin func(), bytes int) bool {
	answer := make(chan bool)
	go func() {
		begin()
		var here byte
		before := uintptr(unsafe.Pointer(&here))
		descend(bytes)
		answer <- uintptr(unsafe.Pointer(&here)) != before
	}()
	return <-answer
}

func TestReservedStacksStay(t *testing.T) {
	const most = size / 2 // frames need more than their variables, and more under the race detector
	if moves(Reserve, most) {
		t.Errorf("a reserved stack moves below %d bytes", most)
	}
	if !moves(func() {}, 2*size) {
		t.Error("a stack that is not reserved does not move: the test shows nothing")
	}
}

// BenchmarkGoroutine compares goroutines that use 16 KB of stack with and without Reserve.
func BenchmarkGoroutine(b *testing.B) {
	for name, begin := range map[string]func(){"reserved": Reserve, "grown": func() {}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				moves(begin, 16<<10)
			}
		})
	}
}
