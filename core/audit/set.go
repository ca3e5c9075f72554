package audit

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// A larger set of subjects is kept in chunks of at most 10,000: the first 40 bits of
// each pseudonym, sorted, each written as its distance from the one before in the
// variable-length form of encoding/binary. That is four bytes for each person. Two
// people share 40 bits once in about a million questions to a set of a million.
const chunkSize = 10_000

var pseudonymBits = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// head40 returns the first 40 bits of a pseudonym.
func head40(pseudonym string) (uint64, bool) {
	_, text, _ := strings.Cut(pseudonym, "_")
	if len(text) < 8 {
		return 0, false
	}
	var b [8]byte
	if n, err := pseudonymBits.Decode(b[3:], []byte(text[:8])); err != nil || n != 5 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[:]), true
}

// chunk writes a set of pseudonyms.
func chunk(pseudonyms []string) []byte {
	heads := make([]uint64, 0, len(pseudonyms))
	for _, p := range pseudonyms {
		if h, ok := head40(p); ok {
			heads = append(heads, h)
		}
	}
	slices.Sort(heads)
	heads = slices.Compact(heads)
	out := make([]byte, 0, 4*len(heads)+16)
	var last uint64
	for _, h := range heads {
		out = binary.AppendUvarint(out, h-last)
		last = h
	}
	return out
}

// inChunk reports whether a pseudonym is in a chunk.
func inChunk(data []byte, pseudonym string) bool {
	want, ok := head40(pseudonym)
	var at uint64
	for ok && len(data) > 0 && at < want {
		d, n := binary.Uvarint(data)
		if n <= 0 {
			return false
		}
		at, data = at+d, data[n:]
		if at == want {
			return true
		}
	}
	return false
}

func chunkHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
