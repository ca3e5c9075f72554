package install

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Binary is a program whose bytes were checked and can be executed. Release it.
type Binary struct {
	Entry    Entry
	Manifest *sdk.Spec

	store *Store
	image *image
}

// Path is where the checked bytes are; good until Release.
func (b *Binary) Path() string { return b.image.path }

// Checksum is the SHA-256 that they have.
func (b *Binary) Checksum() []byte {
	sum, _ := hex.DecodeString(b.Entry.Binary) // it was compared with what was read
	return sum
}

// Release lets go of the bytes. A process that runs from them keeps them.
func (b *Binary) Release() {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	if b.image.uses--; b.image.uses == 0 {
		b.image.close()
		delete(b.store.images, b.Entry.Binary)
	}
}

// Manifest returns the pinned manifest of an installed connector, checked, without
// touching its program.
func (s *Store) Manifest(name string) (Entry, *sdk.Spec, error) {
	l, err := s.read()
	if err != nil {
		return Entry{}, nil, err
	}
	e := l.find(name)
	if e == nil {
		return Entry{}, nil, notInstalled(name)
	}
	spec, err := s.manifest(l, *e)
	return *e, spec, err
}

// manifest checks everything of an entry but the program itself: that the manifest and
// the checksums are those that were installed, that they name the pinned program,
// and that who signed them is still trusted.
func (s *Store) manifest(l *lock, e Entry) (*sdk.Spec, error) {
	if e.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		return nil, core.Errorf(core.Unavailable, "PLATFORM", "%s was installed on %s, and this is %s/%s; add it here again", e.Name, e.Platform, runtime.GOOS, runtime.GOARCH)
	}
	raw, err := s.pinned(e, manifestFile, e.Manifest)
	if err != nil {
		return nil, err
	}
	checksums, err := s.pinned(e, checksumsFile, e.Digest)
	if err != nil {
		return nil, err
	}
	list, err := parseSums(checksums)
	if err != nil {
		return nil, err
	}
	file := "bin/" + runtime.GOOS + "_" + runtime.GOARCH + "/" + e.Name
	if list.name != e.Name || list.version != e.Version || list.of[file] != e.Binary || list.of[manifestFile] != e.Manifest {
		return nil, changed(e, checksumsFile)
	}
	if !e.Unsigned {
		signature, err := s.file(e, signatureFile)
		if err != nil {
			return nil, err
		}
		keys, err := l.verifiers()
		if err != nil {
			return nil, err
		}
		if _, err := verify(checksums, signature, keys); err != nil {
			return nil, err
		}
	}
	return ParseManifest(raw)
}

// Load checks an installed connector and gives the bytes that were checked.
func (s *Store) Load(name string) (*Binary, error) {
	l, err := s.read()
	if err != nil {
		return nil, err
	}
	e := l.find(name)
	if e == nil {
		return nil, notInstalled(name)
	}
	spec, err := s.manifest(l, *e)
	if err != nil {
		return nil, err
	}
	img, err := s.load(*e)
	if err != nil {
		return nil, err
	}
	return &Binary{Entry: *e, Manifest: spec, store: s, image: img}, nil
}

// load reads the program and compares what it read. Processes of one program share its
// bytes, but each start reads the file: a changed file is found though an older
// process still runs.
func (s *Store) load(e Entry) (*image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.open(e, e.Name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if img := s.images[e.Binary]; img != nil {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return nil, fmt.Errorf("read the connector's program: %w", err)
		}
		if hex.EncodeToString(h.Sum(nil)) != e.Binary {
			return nil, changed(e, e.Name)
		}
		img.uses++
		return img, nil
	}
	img, sum, err := newImage(e.Name, f)
	if err != nil {
		return nil, fmt.Errorf("read the connector's program: %w", err)
	}
	if sum != e.Binary {
		img.close()
		return nil, changed(e, e.Name)
	}
	img.uses = 1
	s.images[e.Binary] = img
	return img, nil
}

// pinned reads a file whose checksum is known.
func (s *Store) pinned(e Entry, name, sum string) ([]byte, error) {
	raw, err := s.file(e, name)
	if err != nil {
		return nil, err
	}
	if hexSum(raw) != sum {
		return nil, changed(e, name)
	}
	return raw, nil
}

func (s *Store) file(e Entry, name string) ([]byte, error) {
	f, err := s.open(e, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("read %s of the connector: %w", name, err)
	}
	return raw, nil
}

// open opens a plain file of a connector, and no link that leads elsewhere.
func (s *Store) open(e Entry, name string) (*os.File, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of connectors: %w", err)
	}
	defer func() { _ = root.Close() }()
	path := filepath.Join(filepath.FromSlash(e.Folder), name)
	before, err := root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, core.Errorf(core.Unavailable, "FILE_MISSING", "%s of %s %s is missing; remove the connector and add it again", name, e.Name, e.Version).Wrap(err)
	case err != nil:
		return nil, fmt.Errorf("open %s of the connector: %w", name, err)
	case !before.Mode().IsRegular():
		return nil, changed(e, name)
	}
	f, err := root.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s of the connector: %w", name, err)
	}
	after, err := f.Stat()
	if err != nil || !os.SameFile(before, after) {
		_ = f.Close()
		return nil, changed(e, name)
	}
	return f, nil
}

func changed(e Entry, name string) *core.Error {
	return core.Errorf(core.Forbidden, "TAMPERED",
		"%s of %s %s is not what was installed; it does not run. Find out who changed it, then remove the connector and add it again", name, e.Name, e.Version)
}
