//go:build unix

package install

import (
	"os"

	"golang.org/x/sys/unix"
)

// exclusive waits for the file's lock, which ends with the file.
func exclusive(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX) }
