// Package stack makes goroutines' stacks large at their start.
package stack

// size is the room in bytes that Reserve makes. With it and the runtime's reserve, a stack has 32 KB, which flights of an
// edge and jobs of a renderer need: they pass large structs by value through many calls.
const size = 24 << 10

// Reserve grows the calling goroutine's stack so that size more bytes fit, if it is smaller. A goroutine that needs them
// calls Reserve first. The runtime otherwise doubles a small stack again and again while it is in use, and each time
// copies it and corrects all pointers into it, which took 3.6 % of the processor time of a miss.
func Reserve() {
	var room [size]byte
	touch(&room)
}

// touch keeps the compiler from leaving out the room.
//
//go:noinline
func touch(room *[size]byte) { room[0] = 1 }
