package install

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/semver"

	"github.com/headwater-cdp/headwater/core"
)

// Options open a store.
type Options struct {
	Dir string // made when missing
	// MAC authenticates the lock; its key must not lie in Dir. It is called with the
	// lock's content and returns the same code for the same content.
	MAC   func([]byte) []byte
	Clock core.Clock
}

// Store is a folder of installed connectors. Several processes may use one.
type Store struct {
	dir   string
	mac   func([]byte) []byte
	clock core.Clock

	mu     sync.Mutex
	images map[string]*image // by checksum: what runs, or is about to
}

// Dir returns the folder.
func (s *Store) Dir() string { return s.dir }

// MAC returns an authenticator under a key.
func MAC(key []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(b)
		return h.Sum(nil)
	}
}

// Open opens the folder.
func Open(o Options) (*Store, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of connectors: %w", err)
	}
	dir, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of connectors: %w", err)
	}
	return &Store{dir: dir, mac: o.MAC, clock: o.Clock, images: map[string]*image{}}, nil
}

// AddOptions say what is accepted.
type AddOptions struct {
	Trust         []string // public keys to trust from now on
	AllowUnsigned bool     // for development
	Upgrade       bool     // the connector must be installed in a lower version
}

// Add installs a package, at once or not at all. A connector that is installed already is
// INSTALLED, unless it is the same package; with Upgrade it is replaced by a higher version.
func (s *Store) Add(r io.Reader, o AddOptions) (e Entry, err error) {
	unlock, err := s.only()
	if err != nil {
		return e, err
	}
	defer unlock()
	l, err := s.read()
	if err != nil {
		return e, err
	}
	by := operator()
	for _, key := range o.Trust {
		if _, err := parseKey(key); err != nil {
			return e, err
		}
		l.trust(TrustedKey{Key: strings.TrimSpace(key), AddedAt: s.clock.Now().UTC(), AddedBy: by})
	}
	staging, err := os.MkdirTemp(s.dir, ".staging-*") // mode 0700
	if err != nil {
		return e, fmt.Errorf("unpack the connector: %w", err)
	}
	defer func() { _ = os.RemoveAll(staging) }()
	c, err := Read(r, staging)
	if err != nil {
		return e, err
	}
	if e, err = s.accept(l, c, o); err != nil {
		return e, err
	}
	e.InstalledAt, e.InstalledBy = s.clock.Now().UTC(), by
	before := l.find(e.Name)
	if before != nil && !o.Upgrade {
		if before.Digest == e.Digest {
			return *before, s.write(l)
		}
		return e, core.Errorf(core.Conflict, "INSTALLED", "%s %s is installed; headwater connector upgrade replaces it", before.Name, before.Version)
	}
	if o.Upgrade {
		switch {
		case before == nil:
			return e, notInstalled(e.Name)
		case semver.Compare(e.Version, before.Version) <= 0 && before.Digest != e.Digest:
			return e, core.Errorf(core.Conflict, "NOT_NEWER", "%s %s is installed, and %s is not newer; to go back, remove it and add the older one", before.Name, before.Version, e.Version)
		}
	}
	if err := s.place(staging, c, e); err != nil {
		return e, err
	}
	old := ""
	if before != nil && before.Folder != e.Folder {
		old = before.Folder
	}
	l.put(e)
	if err := s.write(l); err != nil {
		return e, err
	}
	if old != "" {
		// What runs from it goes on: it was read into memory.
		return e, s.discard(old)
	}
	return e, nil
}

// accept decides whether a package may be installed.
func (s *Store) accept(l *lock, c *Contents, o AddOptions) (e Entry, err error) {
	if c.binary == "" {
		have := make([]string, len(c.Platforms))
		for i, p := range c.Platforms {
			have[i] = p.String()
		}
		return e, core.Errorf(core.Invalid, "PLATFORM", "%s has no program for %s/%s, only for %s", c.Manifest.Name, runtime.GOOS, runtime.GOARCH, strings.Join(have, ", "))
	}
	keys, err := l.verifiers()
	if err != nil {
		return e, err
	}
	signer, err := verify(c.checksums, c.signature, keys)
	unsigned := false
	if reason := core.AsError(err); err != nil {
		// A false signature is never development.
		if !o.AllowUnsigned || reason.Reason == "SIGNATURE" {
			return e, err
		}
		unsigned = true
	}
	digest := hexSum(c.checksums)
	return Entry{
		Name: c.Manifest.Name, Version: c.Manifest.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH, Binary: c.binary,
		Manifest: hexSum(c.manifest), Digest: digest, Signer: signer, Unsigned: unsigned,
		Folder: c.Manifest.Name + "/" + c.Manifest.Version + "-" + digest[:12],
	}, nil
}

// place moves what was unpacked to where it stays. A folder that an interrupted install
// left there is replaced.
func (s *Store) place(staging string, c *Contents, e Entry) error {
	for name, body := range map[string][]byte{manifestFile: c.manifest, readmeFile: c.Readme, checksumsFile: c.checksums, signatureFile: c.signature} {
		if body == nil {
			continue
		}
		if err := replace(filepath.Join(staging, name), body); err != nil {
			return err
		}
	}
	final := filepath.Join(s.dir, filepath.FromSlash(e.Folder))
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return fmt.Errorf("install the connector: %w", err)
	}
	if err := os.RemoveAll(final); err != nil {
		return fmt.Errorf("install the connector: %w", err)
	}
	if err := os.Rename(staging, final); err != nil {
		return fmt.Errorf("install the connector: %w", err)
	}
	return syncDir(filepath.Dir(final))
}

// Remove uninstalls a connector. What runs goes on until its host ends it.
func (s *Store) Remove(name string) (Entry, error) {
	unlock, err := s.only()
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	l, err := s.read()
	if err != nil {
		return Entry{}, err
	}
	found := l.find(name)
	if found == nil {
		return Entry{}, notInstalled(name)
	}
	e := *found
	l.Connectors = slices.DeleteFunc(l.Connectors, func(o Entry) bool { return o.Name == name })
	if err := s.write(l); err != nil {
		return e, err
	}
	return e, s.discard(e.Folder)
}

// Distrust takes a key, named in full or by its name, out of the trusted ones. Connectors
// that only it signed do not start any more.
func (s *Store) Distrust(key string) error {
	unlock, err := s.only()
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.read()
	if err != nil {
		return err
	}
	n := len(l.Keys)
	l.Keys = slices.DeleteFunc(l.Keys, func(k TrustedKey) bool {
		name, _, _ := strings.Cut(k.Key, "+")
		return k.Key == key || name == key
	})
	if len(l.Keys) == n {
		return core.Errorf(core.NotFound, "KEY", "no key of that name is trusted")
	}
	return s.write(l)
}

// List returns what is installed, by name, and the trusted keys.
func (s *Store) List() ([]Entry, []TrustedKey, error) {
	l, err := s.read()
	if err != nil {
		return nil, nil, err
	}
	return l.Connectors, l.Keys, nil
}

// discard removes a connector's folder; only what Add placed can be named.
func (s *Store) discard(folder string) error {
	dir := filepath.Join(s.dir, filepath.FromSlash(folder))
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the connector's files: %w", err)
	}
	_ = os.Remove(filepath.Dir(dir)) // when it is empty
	return nil
}

// only keeps other processes from changing the store.
func (s *Store) only() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.dir, mutexFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder of connectors: %w", err)
	}
	if err := exclusive(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock the folder of connectors: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

func notInstalled(name string) *core.Error {
	return core.Errorf(core.NotFound, "NOT_INSTALLED", "no connector %q is installed here; headwater connector list shows those that are, headwater connector add adds one", name)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// operator says who installs, for the record.
func operator() string {
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if machine, err := os.Hostname(); err == nil {
		who += "@" + machine
	}
	return who
}

// syncDir makes a rename within the folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Base(dir), err)
	}
	err = d.Sync()
	if runtime.GOOS == "windows" {
		err = nil // folders have no fsync there
	}
	return errors.Join(err, d.Close())
}
