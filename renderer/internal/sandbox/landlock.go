package sandbox

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

const (
	readable   = ll.AccessFSReadFile | ll.AccessFSReadDir
	executable = ll.AccessFSReadFile | ll.AccessFSExecute
	writable   = readable | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSMakeDir |
		ll.AccessFSRemoveFile | ll.AccessFSRemoveDir
)

// landlock restricts the access to files. On newer kernels it also restricts TCP, signals and abstract
// sockets. It returns false if the kernel has no landlock.
func (p Profile) landlock() (bool, error) {
	if version, err := ll.LandlockGetABIVersion(); err != nil || version < 1 {
		return false, nil //nolint:nilerr // an old kernel: the caller learns that the layer is missing
	}
	rules := []landlock.Rule{
		landlock.PathAccess(executable, p.Execute...).IgnoreIfMissing(),
		landlock.PathAccess(writable, p.Write...),
	}
	for _, path := range p.Read {
		rights := landlock.AccessFSSet(ll.AccessFSReadFile)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			rights = readable
		}
		rules = append(rules, landlock.PathAccess(rights, path).IgnoreIfMissing())
	}
	if p.Children {
		rules = append(rules, landlock.PathAccess(ll.AccessFSReadFile|ll.AccessFSWriteFile, "/dev/null"))
	}
	return true, landlock.V6.BestEffort().Restrict(rules...)
}
