package sandbox

import (
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// computing lists the system calls that Go's runtime and a decoder need to compute. It has no open, no socket and no
// exec.
var computing = []string{
	// to read the original, and to write the picture into a memory file
	"read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "fstat", "ftruncate", "close",
	// to get tasks with their descriptors and to send reports; libvips reads a copy of the descriptor
	"recvmsg", "sendto", "dup", "dup3",
	// for memory
	"mmap", "mremap", "munmap", "mprotect", "madvise", "mincore", "brk", "memfd_create", "membarrier",
	// for threads
	"futex", "clone3", "set_robust_list", "rseq", "set_tid_address", "arch_prctl", "restart_syscall",
	// for signals, which Go's runtime sends to its own threads
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack",
	// to know the process, its processors and its memory, as libraries do before they start threads
	"getpid", "gettid", "getppid", "sched_yield", "sched_getaffinity", "getcpu", "sysinfo", "uname", "getrandom",
	// for the time, where the kernel answers with a call only, and for timers
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrusage", "times",
	"timer_create", "timer_settime", "timer_delete", "setitimer",
	// to wait for descriptors
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "poll", "ppoll", "pipe2",
	// to end
	"exit", "exit_group",
}

// running lists the further system calls that a worker's programs need. In a trace of the tests of packages tools,
// engine and worker on Debian 12, none made the calls of the last line of each group: other versions of glibc
// and of the programs make these calls instead.
var running = []string{
	// to start programs, and to wait for them; other forms of clone, waitid and prlimit64
	"execve", "wait4", "waitid", "fcntl",
	// to kill a program that takes too long
	"pidfd_send_signal",
	"vfork", "setrlimit", "getrlimit",
	// to find and read the files that landlock allows: fonts, libraries, the original; other forms
	"openat", "access", "faccessat2", "newfstatat", "statx", "statfs", "readlink", "readlinkat", "getcwd", "chdir", "fchdir", "getdents64",
	"open", "openat2", "faccessat", "stat", "lstat", "fstatfs", "fadvise64",
	// to write pages and frames into the worker's folder, and to delete them; other forms
	"mkdirat", "unlink", "unlinkat", "rename", "fchmod", "copy_file_range",
	"mkdir", "rmdir", "renameat", "umask", "fallocate", "fsync", "fdatasync",
	// to pass data between programs; other forms of dup3, pipe2 and pselect6
	"pselect6",
	"dup2", "pipe", "select",
	// to know the user and the machine, as libraries do when they start
	"getuid", "geteuid", "getgid", "getegid", "getpriority", "sched_setaffinity",
	"getresuid", "getresgid", "getgroups", "getpgrp",
}

// terminalQuestions are the ioctl commands of a worker's programs: whether a descriptor is a terminal, its width, and
// the bytes that wait in a pipe. No command of a device is among them, and none that types into a terminal.
var terminalQuestions = []uint64{unix.TCGETS, tcgets2, unix.TIOCGWINSZ, unix.TIOCINQ}

// tcgets2 is TCGETS of glibc 2.42 and later.
const tcgets2 = 0x802c542a

// descriptorCommands are the fcntl commands of a worker without programs. They take no lease on an
// original and no lock: both would block the programs that write the original.
var descriptorCommands = []uint64{unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL}

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
	self := uint64(os.Getpid()) //nolint:gosec // a process id is positive
	allowed := seccomp.SyscallGroup{
		Action: seccomp.ActionAllow, Names: computing,
		NamesWithCondtions: []seccomp.NameWithConditions{
			// The process's own limits, and the names of its threads and of its memory areas.
			{Name: "prlimit64", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: 0}}},
			{Name: "prctl", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_SET_NAME}}},
			{Name: "prctl", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_GET_NAME}}},
			{Name: "prctl", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_SET_VMA}}},
		},
	}
	if p.Children {
		allowed.Names = append(append([]string{}, computing...), running...)
		allowed.Names = append(allowed.Names, "tgkill")
		allowed.NamesWithCondtions = append(allowed.NamesWithCondtions, seccomp.NameWithConditions{
			Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsNotSet, Value: cloneNewNamespaces}},
		})
		allowed.NamesWithCondtions = append(allowed.NamesWithCondtions, commands("ioctl", terminalQuestions)...)
		// Go tries pidfd_send_signal on the process itself. The worker gets descriptors of its programs from clone, and of no
		// other process.
		allowed.NamesWithCondtions = append(allowed.NamesWithCondtions, seccomp.NameWithConditions{
			Name: "pidfd_open", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: self}},
		})
	} else {
		allowed.NamesWithCondtions = append(
			allowed.NamesWithCondtions,
			seccomp.NameWithConditions{Name: "tgkill", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: self}}},
			seccomp.NameWithConditions{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
		)
		allowed.NamesWithCondtions = append(allowed.NamesWithCondtions, commands("fcntl", descriptorCommands)...)
	}
	return true, seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{allowed},
	}})
}

// commands allows a call whose second argument is one of some commands.
func commands(call string, allowed []uint64) (all []seccomp.NameWithConditions) {
	for _, command := range allowed {
		all = append(all, seccomp.NameWithConditions{
			Name: call, Conditions: seccomp.ArgumentConditions{{Argument: 1, Operation: seccomp.Equal, Value: command}},
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
