package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash"
	"sync"
)

// MAC returns the HMAC-SHA256 (RFC 2104) of data under the workspace's secret of
// that name, 32 bytes. It is the same for ever.
func (r *Ring) MAC(ctx context.Context, ws, name string, data []byte) ([]byte, error) {
	s, err := r.secret(ctx, ws, "mac/"+name)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, s)
	h.Write(data)
	return h.Sum(nil), nil
}

// Pseudonym returns what stands for a value: "psn_" and 26 characters, the same for
// equal values of a kind, and nothing that leads back to it without the secret. The
// kind is an identifier's namespace, "profile", or a category of data.
func (r *Ring) Pseudonym(ctx context.Context, ws, kind, value string) (string, error) {
	f, err := r.Pseudonymise(ctx, ws)
	if err != nil {
		return "", err
	}
	return f(kind, value), nil
}

// pseudonyms is the alphabet of identifiers, in lower case, so that a pseudonym is not
// taken for an id.
var pseudonyms = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Pseudonymise returns Pseudonym for many values of one workspace: the secret is read
// once. The function is safe for concurrent use.
func (r *Ring) Pseudonymise(ctx context.Context, ws string) (func(kind, value string) string, error) {
	s, err := r.secret(ctx, ws, "mac/pseudonym")
	if err != nil {
		return nil, err
	}
	pool := sync.Pool{New: func() any { return hmac.New(sha256.New, s) }}
	return func(kind, value string) string {
		h := pool.Get().(hash.Hash)
		defer pool.Put(h)
		h.Reset()
		var n [4]byte // the length parts the kind from the value: ("ab","c") is not ("a","bc")
		binary.BigEndian.PutUint32(n[:], uint32(len(kind)))
		h.Write(n[:])
		h.Write([]byte(kind))
		h.Write([]byte(value))
		var sum [sha256.Size]byte
		return "psn_" + pseudonyms.EncodeToString(h.Sum(sum[:0])[:16])
	}, nil
}
