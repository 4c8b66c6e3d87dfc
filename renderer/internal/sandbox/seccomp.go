package sandbox

import (
	"os"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// computing lists the system calls of both kinds of workers. It has no open, no socket and no exec. `make trace-calls`
// traces the suites, and finds calls in computing and running that no worker makes on Debian 12. Debian 13's workers make the
// same calls and statx.
var computing = []string{
	"read",              // the original
	"pread64",           // parts of the original at any place
	"lseek",             // between reads, and the size of the original
	"fstat",             // of the original, before Go and libvips read it
	"dup",               // libvips reads and writes copies of the descriptors
	"write",             // the thumbnail, and the messages of a crash
	"close",             // the descriptors of a task
	"recvmsg",           // tasks, with their descriptors
	"sendto",            // reports
	"mmap",              // memory of Go, glibc and stacks of threads; files, where the original is open
	"munmap",            // the same memory, given back
	"mprotect",          // glibc's heaps grow by it, and a stack gets its guard
	"madvise",           // Go and glibc give unused memory back
	"brk",               // glibc's first heap
	"futex",             // locks of Go, glibc and the libraries
	"clone3",            // passes to hideClone3
	"set_robust_list",   // glibc, at the start of each thread
	"rseq",              // the same
	"sched_getaffinity", // the libraries count processors before they start threads
	"sysinfo",           // the libraries ask for the machine's memory
	"getrandom",         // glibc and the libraries seed tables
	"sched_yield",       // Go's scheduler
	"nanosleep",         // the same
	"epoll_pwait",       // Go's poller, which the worker made before
	"getpid",            // Go interrupts its own threads
	"rt_sigprocmask",    // Go and glibc, at the start of each thread
	"rt_sigreturn",      // the end of each signal
	"getrusage",         // the processor time of a task
	"exit",              // the end of a thread
	"exit_group",        // the end of the process
}

// rarelyComputing lists further calls of both kinds of workers. Workers that draw do not make them in the suites.
var rarelyComputing = []string{
	"mremap",          // glibc enlarges a large piece of memory
	"rt_sigaction",    // abort and Go's fatal errors take handlers away; programs set them
	"gettid",          // Go, at the start of a thread, if a worker still needs more threads
	"sigaltstack",     // the same; programs set stacks for their handlers
	"restart_syscall", // the kernel continues a wait after a stop
	"clock_gettime",   // Go and glibc, where only the kernel can read the clock; ImageMagick asks for its processor time
	"gettimeofday",    // glibc, where only the kernel can read the clock
	"clock_nanosleep", // glibc, for pauses of libraries
}

// running lists the further system calls of a worker of programs, and of its programs.
var running = []string{
	"execve",            // the worker starts a program
	"arch_prctl",        // each program, at its start
	"set_tid_address",   // the same
	"access",            // the same, for /etc/ld.so.preload
	"wait4",             // the worker waits for a program, and looks for those that a program left behind
	"waitid",            // the same
	"pidfd_send_signal", // the worker kills a program that takes too long; pidfd_open knows no other process
	"pipe2",             // the worker gives a program its input and reads its output
	"dup3",              // the descriptors of a program, before it starts
	"epoll_ctl",         // Go's poller watches pipes
	"openat",            // libraries, fonts, the original, files in the worker's folder
	"newfstatat",        // the same files
	"readlink",          // paths of fonts and folders
	"getcwd",            // paths of files in the worker's folder
	"getdents64",        // fontconfig lists the folders of fonts
	"fstatfs",           // fontconfig asks for the file system of its cache
	"fadvise64",         // fontconfig reads its cache ahead
	"statfs",            // libselinux, when librsvg and FFmpeg start
	"copy_file_range",   // the worker copies a file of a program into the thumbnail
	"ftruncate",         // the worker empties the thumbnail before a second program draws it
	"pwrite64",          // the worker mends its copy of a TIFF
	"fchmod",            // ImageMagick, for its temporary file
	"rename",            // OptiPNG keeps its input
	"unlink",            // OptiPNG, MuPDF and ImageMagick delete files of theirs
	"epoll_create1",     // GLib in rsvg-convert asks whether it can wait for the input
	"poll",              // rsvg-convert waits for its input, and looks for its descriptors when it starts
	"uname",             // Go asks for the kernel's version before it calls copy_file_range
	"getuid",            // libraries of FFmpeg, when they start
	"geteuid",           // the same
	"times",             // ImageMagick asks for its processor time
}

// rarelyRunning lists further calls of programs. No program of Debian 12 makes them in the suites.
var rarelyRunning = []string{
	"statx", // resvg, which only Debian 13 has, looks for fonts
}

// terminalQuestions are the ioctl commands of a worker's programs: FFmpeg, Gifsicle and rsvg-convert ask whether a descriptor is
// a terminal. No command of a device is among them, and none that types into a terminal.
var terminalQuestions = []uint64{unix.TCGETS, tcgets2}

// tcgets2 is TCGETS of glibc 2.42 and later.
const tcgets2 = 0x802c542a

// descriptorCommands are the fcntl commands of workers: whether a descriptor blocks, and whether it closes when a program starts.
// They take no lease on an original and no lock: both would block the programs that write the original.
var descriptorCommands = []uint64{unix.F_GETFL, unix.F_SETFL, unix.F_GETFD, unix.F_SETFD}

const cloneNewNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// seccomp refuses all other system calls with EPERM. It returns false if the kernel has no seccomp.
func (p Profile) seccomp() (bool, error) {
	if !seccomp.Supported() {
		return false, nil
	}
	if err := hideClone3(); err != nil { // loaded first, and computing has clone3: if both filters refuse a call, the later one chooses the errno
		return false, err
	}
	return true, seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{p.allowed(os.Getpid())},
	}})
}

// allowed returns the calls of a worker with a process id.
func (p Profile) allowed(pid int) seccomp.SyscallGroup {
	self := uint64(pid) //nolint:gosec // a process id is positive
	g := seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: slices.Concat(computing, rarelyComputing)}
	g.NamesWithCondtions = slices.Concat(
		only("prlimit64", 0, seccomp.Equal, 0), // its own limits
		// The names of threads; Go names its memory, where the kernel can.
		only("prctl", 0, seccomp.Equal, unix.PR_SET_NAME, unix.PR_SET_VMA),
		only("fcntl", 1, seccomp.Equal, descriptorCommands...),
	)
	if !p.Children {
		g.NamesWithCondtions = slices.Concat(g.NamesWithCondtions,
			only("tgkill", 0, seccomp.Equal, self), // Go interrupts its own threads
			only("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD))
		return g
	}
	// Each program has a process id of its own, which a filter cannot know, and interrupts or aborts itself.
	g.Names = slices.Concat(g.Names, running, rarelyRunning, []string{"tgkill"})
	g.NamesWithCondtions = slices.Concat(g.NamesWithCondtions,
		only("clone", 0, seccomp.BitsNotSet, cloneNewNamespaces),
		only("ioctl", 1, seccomp.Equal, terminalQuestions...),
		only("pidfd_open", 0, seccomp.Equal, self)) // Go tries pidfd_send_signal with it
	return g
}

// only allows a call if one of its arguments fits one of some values.
func only(call string, argument uint32, fits seccomp.Operation, values ...uint64) (all []seccomp.NameWithConditions) {
	for _, value := range values {
		all = append(all, seccomp.NameWithConditions{
			Name: call, Conditions: seccomp.ArgumentConditions{{Argument: argument, Operation: fits, Value: value}},
		})
	}
	return all
}

// hideClone3 makes clone3 fail with ENOSYS, so that glibc starts threads with clone. A filter cannot see
// the flags of clone3, because they are in memory.
func hideClone3() error {
	return seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{{
			Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"},
		}},
	}})
}
