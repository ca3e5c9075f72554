package smtp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
)

// codes write the key of a message into its Message-ID and its bounce address, and read it
// there: "hw." key "." code, all in lower case, because some servers do not keep the case.
// A key in the form of our ids is written as it is, any other in base32; one that is too
// long is hashed, and cannot be read again.
type codes struct{ secret string }

const (
	idPrefix = "hw."
	// longestKey is how long a key may be to be written as it is.
	longestKey = 120
	codeLength = 13
)

var letters = base32.HexEncoding.WithPadding(base32.NoPadding)

// token is what stands for a key.
func (c codes) token(key string) string {
	if len(key) > longestKey {
		sum := sha256.Sum256([]byte(key))
		return idPrefix + "h" + strings.ToLower(letters.EncodeToString(sum[:]))
	}
	t := idPrefix + "k" + strings.ToLower(letters.EncodeToString([]byte(key)))
	if plain(key) {
		t = idPrefix + "p" + strings.ToLower(key)
	}
	if c.secret != "" {
		t += "." + c.code(key)
	}
	return t
}

// code proves that a token is of this connection's making.
func (c codes) code(key string) string {
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write([]byte("message " + key)) // a hash does not fail
	return strings.ToLower(letters.EncodeToString(mac.Sum(nil)))[:codeLength]
}

// plain reports whether a key may stand in an address, and is found again from its lower case.
func plain(key string) bool {
	return key != "" && key == recased(strings.ToLower(key)) && strings.Trim(strings.ToLower(key), "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// recased gives an id its case: msg_01JD2Q3V8Z7F4M5N6P7Q8R9S0T.
func recased(lower string) string {
	prefix, rest, _ := strings.Cut(lower, "_")
	return prefix + "_" + strings.ToUpper(rest)
}

// key reads a token; ok is false of one that this connection did not make.
func (c codes) key(token string) (key string, ok bool) {
	rest, ours := strings.CutPrefix(strings.ToLower(token), idPrefix)
	text, code, coded := strings.Cut(rest, ".")
	if !ours || !coded || c.secret == "" {
		return "", false
	}
	if key, ok = strings.CutPrefix(text, "p"); ok {
		key = recased(key)
	} else {
		raw, err := letters.DecodeString(strings.ToUpper(strings.TrimPrefix(text, "k")))
		if err != nil {
			return "", false
		}
		key = string(raw)
	}
	return key, subtle.ConstantTimeCompare([]byte(code), []byte(c.code(key))) == 1
}
