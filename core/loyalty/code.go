package loyalty

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
)

// letters are the characters of codes that are made here: none that is taken for
// another when it is read aloud, printed small or typed (0 O, 1 I L, 2 Z, 5 S, 8 B, U V).
const letters = "34679ACDEFGHJKMNPQRTUWXY"

// The bounds of codes, in characters.
const (
	MinLength  = 8 // 24⁸ is 110 thousand million
	MaxLength  = 32
	MaxCode    = 64
	maxPrefix  = 20
	lengthElse = 10
)

// newCode returns a code of n random characters after a prefix.
func newCode(prefix string, n int) string {
	var b strings.Builder
	b.WriteString(prefix)
	var buf [64]byte
	for left := n; left > 0; {
		_, _ = rand.Read(buf[:]) // never fails since Go 1.24
		for _, c := range buf {
			// 240 is the last multiple of 24 in a byte: no character comes more often.
			if c < 240 && left > 0 {
				b.WriteByte(letters[c%24])
				left--
			}
		}
	}
	return b.String()
}

// place returns a random place among the free codes.
func place() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:])>>2) + 1
}

// Normal returns the form in which a code is kept: capitals, without the spaces around
// it. False when it cannot be one.
func Normal(code string) (string, bool) {
	code = strings.ToUpper(strings.TrimSpace(code))
	if code == "" || len(code) > MaxCode || !utf8.ValidString(code) || strings.ContainsFunc(code, func(r rune) bool {
		return r == '/' || unicode.IsControl(r) || unicode.IsSpace(r)
	}) {
		return "", false
	}
	return code, true
}

func errCode() *core.Error {
	return core.Errorf(core.Invalid, "COUPON_CODE", "a code has 1 to %d bytes, without spaces, slashes and control characters", MaxCode)
}
