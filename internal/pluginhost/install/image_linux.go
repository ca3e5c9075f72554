package install

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// newImage copies a program into memory that is sealed against every change, and returns
// the checksum of what was copied. A script is copied into a private file instead,
// because its interpreter opens it by name.
func newImage(name string, r io.Reader) (*image, string, error) {
	head := make([]byte, 2)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, "", err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	if string(head) == "#!" {
		return copyImage(name, whole)
	}
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return copyImage(name, whole)
	}
	f := os.NewFile(uintptr(fd), name)
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), whole); err != nil {
		return nil, "", errors.Join(err, f.Close())
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, "", errors.Join(err, f.Close())
	}
	img := &image{path: fmt.Sprintf("/proc/self/fd/%d", f.Fd()), close: func() { _ = f.Close() }}
	return img, hex.EncodeToString(h.Sum(nil)), nil
}
