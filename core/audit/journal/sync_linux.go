package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData waits until what was written is on disk, and the file's length where it is
// another; not for when it was written.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
