package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// masterSize is the length of a master key in bytes: AES-256.
const masterSize = 32

// Master is the key under which every secret is sealed.
type Master struct {
	aead cipher.AEAD
	id   string // a fingerprint, stored beside what it sealed
	mac  []byte // the key of MAC
}

// MAC returns an HMAC-SHA256 of data under a key that is drawn from the master key for
// one use, for files that belong to no workspace.
func (m Master) MAC(use string, data []byte) []byte {
	h := hmac.New(sha256.New, m.mac)
	h.Write([]byte(use + "\x00"))
	h.Write(data)
	return h.Sum(nil)
}

// NewMaster makes a Master of 32 bytes.
func NewMaster(key []byte) (Master, error) {
	if len(key) != masterSize {
		return Master{}, core.Errorf(core.Invalid, "MASTER_KEY", "a master key has %d bytes; this one has %d", masterSize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	sum := sha256.Sum256(append([]byte("headwater master key\n"), key...))
	h := hmac.New(sha256.New, key)
	h.Write([]byte("headwater master mac"))
	return Master{aead: aead, id: hex.EncodeToString(sum[:6]), mac: h.Sum(nil)}, nil
}

// ParseMaster reads a master key as a person writes it down: 32 bytes in base64 or
// hexadecimal.
func ParseMaster(text string) (Master, error) {
	text = strings.TrimSpace(text)
	if key, err := hex.DecodeString(text); err == nil && len(key) == masterSize {
		return NewMaster(key)
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if key, err := enc.DecodeString(text); err == nil && len(key) == masterSize {
			return NewMaster(key)
		}
	}
	return Master{}, core.Errorf(core.Invalid, "MASTER_KEY", "a master key is 32 random bytes in base64 or hexadecimal, such as 'openssl rand -base64 32' prints")
}

// LoadMaster reads the master key from a file.
func LoadMaster(path string) (Master, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Master{}, fmt.Errorf("read the master key: %w", err)
	}
	return ParseMaster(string(text))
}

// EnsureMaster is LoadMaster, and makes the file, for its owner alone to read, when
// it does not exist. Of several processes that make it at once all load one key.
func EnsureMaster(path string) (Master, error) {
	m, err := LoadMaster(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	text := base64.StdEncoding.EncodeToString(randomBytes(masterSize)) + "\n"
	f, err := os.CreateTemp(filepath.Dir(path), ".master-*") // mode 0600
	if err != nil {
		return Master{}, fmt.Errorf("make the master key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Master{}, fmt.Errorf("make the master key: %w", err)
	}
	// A link, unlike a rename, never takes the place of a key that is there.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Master{}, fmt.Errorf("make the master key: %w", err)
	}
	return LoadMaster(path)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

// seal encrypts plain; bound is what it belongs to and must be the same to open it.
func seal(a cipher.AEAD, plain, bound []byte) []byte {
	nonce := randomBytes(a.NonceSize())
	return a.Seal(nonce, nonce, plain, bound)
}

func open(a cipher.AEAD, sealed, bound []byte) ([]byte, error) {
	n := a.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("keyring: sealed text is cut")
	}
	plain, err := a.Open(nil, sealed[:n], sealed[n:], bound)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return plain, nil
}
