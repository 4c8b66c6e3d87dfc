// Package worker runs renders in separate processes: the same binary, executed again, started in advance, with one
// task at a time, confined by package sandbox.
//
// There are two kinds. One draws with libvips; it can neither open a file nor execute a program. The other runs the
// tools for formats that libvips does not read; it sees the tools, their fonts, and its own folder.
//
// Parent and child speak over a SEQPACKET socket pair, the child's descriptor 3. The parent sends a Task with
// descriptors of the original, of a memory file for the thumbnail, and of overlays. The child answers with a Report.
// The parent kills a child that exceeds its time, because a decoder does not listen, and another takes its place at
// once. When a child dies during a task, the cause is unknown: the caller tries again in a fresh child.
package worker
