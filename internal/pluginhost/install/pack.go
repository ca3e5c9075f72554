package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
)

// Extension of a packed connector.
const Extension = ".hwc"

// The files of a package.
const (
	manifestFile  = "manifest.json"
	readmeFile    = "README.md"
	checksumsFile = "checksums"
	signatureFile = "signature"
)

// Package is what is packed.
type Package struct {
	Manifest []byte
	Readme   []byte              // nil: none
	Binaries map[Platform]string // paths
	Key      string              // private, as NewKey made it; "": not signed
}

// packedFile is a file of a package: the one at path, or body.
type packedFile struct {
	name, path string
	body       []byte
	mode       int64
}

// files lists what is packed but the checksums and the signature, with the checksums.
func (p Package) files() ([]packedFile, sums, error) {
	spec, err := ParseManifest(p.Manifest)
	if err != nil {
		return nil, sums{}, err
	}
	if len(p.Binaries) == 0 {
		return nil, sums{}, core.Errorf(core.Invalid, "NO_BINARY", "a connector has a program for at least one platform")
	}
	files := []packedFile{{name: manifestFile, body: p.Manifest, mode: 0o644}}
	if p.Readme != nil {
		files = append(files, packedFile{name: readmeFile, body: p.Readme, mode: 0o644})
	}
	for platform, path := range p.Binaries {
		if !platformForm.MatchString(platform.folder()) {
			return nil, sums{}, core.Errorf(core.Invalid, "PLATFORM", "%q is no platform", platform.String())
		}
		files = append(files, packedFile{name: "bin/" + platform.folder() + "/" + spec.Name, path: path, mode: 0o755})
	}
	slices.SortFunc(files[1:], func(a, b packedFile) int { return strings.Compare(a.name, b.name) })
	sums := sums{name: spec.Name, version: spec.Version, of: map[string]string{}}
	for _, f := range files {
		if sums.of[f.name], err = sumOf(f.path, f.body); err != nil {
			return nil, sums, err
		}
	}
	return files, sums, nil
}

// Digest is the one that Entry has of the package when it is installed.
func (p Package) Digest() (string, error) {
	_, sums, err := p.files()
	if err != nil {
		return "", err
	}
	return hexSum(sums.text()), nil
}

// Pack writes a package. The same input gives the same bytes.
func Pack(w io.Writer, p Package) error {
	files, sums, err := p.files()
	if err != nil {
		return err
	}
	text := sums.text()
	files = append(files, packedFile{name: checksumsFile, body: text, mode: 0o644})
	if p.Key != "" {
		signer, err := note.NewSigner(strings.TrimSpace(p.Key))
		if err != nil {
			return core.Errorf(core.Invalid, "KEY", "the signing key is not one that headwater connector keygen made")
		}
		signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
		if err != nil {
			return fmt.Errorf("sign the package: %w", err)
		}
		files = append(files, packedFile{name: signatureFile, body: signed, mode: 0o644})
	}

	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		if err := writeEntry(tw, f.name, f.path, f.body, f.mode, sums.of[f.name]); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("write the package: %w", err)
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("write the package: %w", err)
	}
	return nil
}

func sumOf(path string, body []byte) (string, error) {
	h := sha256.New()
	if path == "" {
		h.Write(body)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func writeEntry(tw *tar.Writer, name, path string, body []byte, mode int64, sum string) error {
	var from io.Reader = bytes.NewReader(body)
	size := int64(len(body))
	if path != "" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read the program: %w", err)
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("read the program: %w", err)
		}
		from, size = f, info.Size()
	}
	h := sha256.New()
	err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = io.Copy(io.MultiWriter(tw, h), from)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if sum != "" && hex.EncodeToString(h.Sum(nil)) != sum {
		return core.Errorf(core.Conflict, "CHANGED", "%s changed while it was packed; pack again", path)
	}
	return nil
}

// sums is the content of checksums.
type sums struct {
	name, version string
	of            map[string]string // by file, hex
}

const sumsHead = "headwater connector 1"

func (s sums) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s %s\n", sumsHead, s.name, s.version)
	names := make([]string, 0, len(s.of))
	for name := range s.of {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s  %s\n", s.of[name], name)
	}
	return []byte(b.String())
}

// parseSums reads checksums; there is one way only to write them.
func parseSums(text []byte) (sums, error) {
	s := sums{of: map[string]string{}}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) >= 2 {
		s.name, s.version, _ = strings.Cut(lines[1], " ")
		for _, l := range lines[2:] {
			sum, name, _ := strings.Cut(l, "  ")
			s.of[name] = sum
		}
	}
	if !bytes.Equal(s.text(), text) {
		return s, damaged("its list of checksums is not in the form that headwater connector pack writes")
	}
	return s, nil
}

func damaged(format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, "PACKAGE", "this is no whole connector package: "+format+"; get it again, or pack it again", args...)
}
