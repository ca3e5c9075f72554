package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"strings"
)

const (
	secretStart  = "hw_"
	secretRandom = 28 // characters of base 62: 166 bits
	secretCheck  = 6  // characters of base 62: a CRC-32 of all before them
	shownLength  = len("hw_w_") + 4
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newSecret makes a secret whose hint tells people what it is for.
func newSecret(hint byte) string {
	b := make([]byte, 0, len("hw_x_")+secretRandom+secretCheck)
	b = append(b, secretStart...)
	b = append(b, hint, '_')
	var buf [64]byte
	for n := 0; n < secretRandom; {
		_, _ = rand.Read(buf[:]) // never fails since Go 1.24
		for _, c := range buf {
			// 248 is the largest multiple of 62: above it, some letters would be likelier.
			if c < 248 && n < secretRandom {
				b = append(b, base62[c%62])
				n++
			}
		}
	}
	return string(b) + checksum(string(b))
}

func checksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	var out [secretCheck]byte
	for i := secretCheck - 1; i >= 0; i-- {
		out[i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// wellFormed reports whether s can be a secret at all.
func wellFormed(s string) bool {
	if len(s) != len("hw_x_")+secretRandom+secretCheck || !strings.HasPrefix(s, secretStart) || s[4] != '_' {
		return false
	}
	cut := len(s) - secretCheck
	return checksum(s[:cut]) == s[cut:]
}

// hashSecret is what is stored of a secret, and the key of its document.
func hashSecret(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
