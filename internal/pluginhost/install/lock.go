package install

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
)

const (
	lockFile  = "connectors.lock"
	mutexFile = ".mutex"
)

// Entry pins one installed connector.
type Entry struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Platform string `json:"platform"`
	Binary   string `json:"binary"`   // SHA-256 of the program, hex
	Manifest string `json:"manifest"` // SHA-256 of manifest.json
	Digest   string `json:"digest"`   // SHA-256 of checksums, which names all files of the package
	Folder   string `json:"folder"`   // within the store
	// Signer names the trusted key; "" only with Unsigned, which somebody allowed for
	// development.
	Signer      string    `json:"signer,omitempty"`
	Unsigned    bool      `json:"unsigned,omitempty"`
	InstalledAt time.Time `json:"installedAt"`
	InstalledBy string    `json:"installedBy"` // user@machine
}

// TrustedKey is a key whose signature is accepted.
type TrustedKey struct {
	Key     string    `json:"key"` // NAME+HASH+BASE64
	AddedAt time.Time `json:"addedAt"`
	AddedBy string    `json:"addedBy"`
}

// lock is connectors.lock.
type lock struct {
	Format     int          `json:"format"`
	Connectors []Entry      `json:"connectors"` // by name
	Keys       []TrustedKey `json:"keys"`
	MAC        string       `json:"mac"` // of the rest, hex
}

func (l *lock) find(name string) *Entry {
	i := slices.IndexFunc(l.Connectors, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &l.Connectors[i]
}

func (l *lock) put(e Entry) {
	l.Connectors = slices.DeleteFunc(l.Connectors, func(o Entry) bool { return o.Name == e.Name })
	l.Connectors = append(l.Connectors, e)
	slices.SortFunc(l.Connectors, func(a, b Entry) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
}

// trust adds a key, once.
func (l *lock) trust(key TrustedKey) {
	if !slices.ContainsFunc(l.Keys, func(k TrustedKey) bool { return k.Key == key.Key }) {
		l.Keys = append(l.Keys, key)
	}
}

func (l *lock) verifiers() ([]note.Verifier, error) {
	var out []note.Verifier
	for _, k := range l.Keys {
		v, err := parseKey(k.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (l lock) code(mac func([]byte) []byte) (string, error) {
	l.MAC = ""
	raw, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("write the lock: %w", err)
	}
	return hex.EncodeToString(mac(append([]byte("connectors.lock\n"), raw...))), nil
}

// read returns the lock; a folder without one has nothing installed.
func (s *Store) read() (*lock, error) {
	raw, err := os.ReadFile(filepath.Join(s.dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &lock{Format: 1}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the connectors' lock: %w", err)
	}
	l := &lock{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(l); err != nil || l.Format != 1 {
		return nil, tampered("cannot be read")
	}
	want, err := l.code(s.mac)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal([]byte(want), []byte(l.MAC)) {
		return nil, tampered("was not written with this store's master key")
	}
	return l, nil
}

// write replaces the lock at once.
func (s *Store) write(l *lock) error {
	var err error
	if l.MAC, err = l.code(s.mac); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("write the lock: %w", err)
	}
	return replace(filepath.Join(s.dir, lockFile), append(raw, '\n'))
}

func tampered(why string) *core.Error {
	return core.Errorf(core.Forbidden, "LOCK_CHANGED",
		"connectors.lock %s, so that nothing says which connectors were installed here; no connector runs until the folder is emptied and they are added again", why)
}

// replace writes a file for its owner, durably, in one step.
func replace(path string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(filepath.Dir(path))
}
