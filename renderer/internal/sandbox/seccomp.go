package sandbox

import (
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// computing lists the system calls that Go's runtime and a decoder need to compute: memory, threads,
// time, and open descriptors. It has no open, no socket and no exec.
var computing = []string{
	"read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "fstat", "ftruncate", "close",
	"recvmsg", "sendto", "dup", "dup3",
	"mmap", "mremap", "munmap", "mprotect", "madvise", "mincore", "brk", "memfd_create", "membarrier",
	"futex", "clone3", "set_robust_list", "rseq", "set_tid_address", "arch_prctl", "restart_syscall",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack",
	"getpid", "gettid", "getppid", "sched_yield", "sched_getaffinity", "getcpu", "sysinfo", "uname", "getrandom",
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrusage", "times",
	"timer_create", "timer_settime", "timer_delete", "setitimer",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "poll", "ppoll", "pipe2",
	"exit", "exit_group",
}

// running lists the further system calls that a worker's programs need: to load themselves, to read the
// files that landlock allows, and to wait for children.
var running = []string{
	"execve", "fcntl", "vfork", "wait4", "waitid", "pidfd_open", "setrlimit",
	"open", "openat", "openat2", "access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat", "statx", "statfs", "fstatfs",
	"readlink", "readlinkat", "getcwd", "chdir", "fchdir", "getdents64", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
	"rename", "renameat", "renameat2", "truncate", "fallocate", "fsync", "fdatasync", "fadvise64", "utimensat", "umask", "flock",
	"chmod", "fchmod", "fchmodat",
	"dup2", "pipe", "select", "pselect6", "ioctl", "sendfile", "copy_file_range", "epoll_create", "eventfd",
	"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp", "getpgid", "getsid", "getrlimit",
	"getpriority", "sched_getscheduler", "sched_getparam", "sched_setaffinity", "capget",
}

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
	} else {
		allowed.NamesWithCondtions = append(
			allowed.NamesWithCondtions,
			seccomp.NameWithConditions{Name: "tgkill", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: self}}},
			seccomp.NameWithConditions{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
		)
		for _, command := range descriptorCommands {
			allowed.NamesWithCondtions = append(allowed.NamesWithCondtions, seccomp.NameWithConditions{
				Name: "fcntl", Conditions: seccomp.ArgumentConditions{{Argument: 1, Operation: seccomp.Equal, Value: command}},
			})
		}
	}
	return true, seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{allowed},
	}})
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
