package install

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// What a package may hold.
const (
	maxEntries = 40
	maxBinary  = 256 << 20
	maxText    = 1 << 20
	maxTotal   = 1 << 30
)

var entryForm = regexp.MustCompile(`^bin/([a-z0-9]+)_([a-z0-9]+)/([a-z][a-z0-9-]{0,39})$`)

// Contents is a package that was read and is whole; whether it is to be trusted is another
// question.
type Contents struct {
	Manifest  *sdk.Spec
	Platforms []Platform
	Readme    []byte

	manifest, checksums, signature []byte
	sums                           sums
	binary                         string // hex SHA-256 of this platform's; "" when there is none
}

// Read reads a package. When into is a folder, the program of this platform is written
// there under its name; nothing else is, whatever names stand in the archive.
func Read(r io.Reader, into string) (*Contents, error) {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return nil, damaged("it is not gzip").Wrap(err)
	}
	c := &Contents{}
	found := map[string]string{}
	tr := tar.NewReader(io.LimitReader(zr, maxTotal))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, damaged("it is cut, or no tar").Wrap(err)
		}
		if h.Typeflag != tar.TypeReg {
			return nil, damaged("%q is not a plain file", h.Name)
		}
		if _, twice := found[h.Name]; twice {
			return nil, damaged("%q stands there twice", h.Name)
		}
		if len(found) == maxEntries {
			return nil, damaged("it has more than %d files", maxEntries)
		}
		if found[h.Name], err = c.entry(tr, h, into); err != nil {
			return nil, err
		}
	}
	// What follows the tar's end would not be covered by anything.
	if n, err := io.Copy(io.Discard, io.LimitReader(zr, maxText)); err != nil || n == maxText {
		return nil, damaged("something follows its end").Wrap(err)
	}
	return c, c.whole(found)
}

// entry reads one file and returns its checksum.
func (c *Contents) entry(r io.Reader, h *tar.Header, into string) (string, error) {
	to := map[string]*[]byte{manifestFile: &c.manifest, readmeFile: &c.Readme, checksumsFile: &c.checksums, signatureFile: &c.signature}[h.Name]
	if to != nil {
		if h.Size > maxText {
			return "", damaged("%s is larger than 1 MiB", h.Name)
		}
		body, err := io.ReadAll(io.LimitReader(r, maxText))
		if err != nil {
			return "", damaged("it is cut").Wrap(err)
		}
		*to = body
		sum := sha256.Sum256(body)
		return hex.EncodeToString(sum[:]), nil
	}
	m := entryForm.FindStringSubmatch(h.Name)
	if m == nil {
		return "", damaged("%q does not belong in it", h.Name)
	}
	if h.Size > maxBinary {
		return "", damaged("%s is larger than 256 MiB", h.Name)
	}
	platform := Platform{m[1], m[2]}
	c.Platforms = append(c.Platforms, platform)
	hash := sha256.New()
	w := io.Writer(hash)
	here := platform == Platform{runtime.GOOS, runtime.GOARCH}
	if here && into != "" {
		f, err := os.OpenFile(filepath.Join(into, m[3]), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o500)
		if err != nil {
			return "", fmt.Errorf("unpack the program: %w", err)
		}
		defer func() { _ = f.Close() }()
		w = io.MultiWriter(hash, f)
		if _, err := io.Copy(w, r); err != nil {
			return "", damaged("it is cut").Wrap(err)
		}
		if err := f.Sync(); err != nil {
			return "", fmt.Errorf("unpack the program: %w", err)
		}
	} else if _, err := io.Copy(w, r); err != nil {
		return "", damaged("it is cut").Wrap(err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if here {
		c.binary = sum
	}
	return sum, nil
}

// whole checks that the files are those of the checksums, with no other beside.
func (c *Contents) whole(found map[string]string) error {
	if c.manifest == nil || c.checksums == nil {
		return damaged("it has no %s or no %s", manifestFile, checksumsFile)
	}
	var err error
	if c.Manifest, err = ParseManifest(c.manifest); err != nil {
		return err
	}
	if c.sums, err = parseSums(c.checksums); err != nil {
		return err
	}
	if c.sums.name != c.Manifest.Name || c.sums.version != c.Manifest.Version {
		return damaged("its checksums are of %s %s, its manifest of %s %s", c.sums.name, c.sums.version, c.Manifest.Name, c.Manifest.Version)
	}
	delete(found, checksumsFile)
	delete(found, signatureFile)
	for name, sum := range found {
		if m := entryForm.FindStringSubmatch(name); m != nil && m[3] != c.Manifest.Name {
			return damaged("%q does not have the connector's name", name)
		}
		if c.sums.of[name] != sum {
			return damaged("%s is not what its checksum says", name)
		}
	}
	for name := range c.sums.of {
		if _, ok := found[name]; !ok {
			return damaged("%s is missing", name)
		}
	}
	return nil
}
