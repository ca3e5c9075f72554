package install

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// image is the bytes of a program that were checked.
type image struct {
	path  string
	uses  int
	close func()
}

// copyImage copies a program into a file that only this user can read and nobody should
// write, and returns the checksum of what was copied.
func copyImage(name string, r io.Reader) (*image, string, error) {
	dir, err := os.MkdirTemp("", "headwater-image-*") // mode 0700
	if err != nil {
		return nil, "", err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o500)
	if err != nil {
		remove()
		return nil, "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), r)
	if err = errors.Join(err, f.Close()); err != nil {
		remove()
		return nil, "", err
	}
	return &image{path: path, close: remove}, hex.EncodeToString(h.Sum(nil)), nil
}
