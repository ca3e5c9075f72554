//go:build unix

package sqlite

import "syscall"

// diskRead returns how many bytes the process has read from disks so far: what the
// system had in memory is not counted.
func diskRead() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return int64(u.Inblock) * 512 //nolint:unconvert // it has 32 bits on some machines
}
