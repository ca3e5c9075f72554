// Package segment counts and cuts text messages as networks do.
//
// A text of the default alphabet (3GPP TS 23.038) has 160 septets in one message and
// 153 in each part of a long one; a character of the extension table takes two. Any
// other text goes as UCS-2, really UTF-16: 70 units in one message, 67 in each part; what
// lies beyond the first plane takes two. No character is cut in half, so a part may
// end one unit early.
package segment

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how a text goes over the air.
type Encoding string

// The encodings.
const (
	GSM7 Encoding = "GSM-7"
	UCS2 Encoding = "UCS-2"
)

// room is what fits in a message by itself, and in a part of a long one.
func (e Encoding) room() (alone, part int) {
	if e == GSM7 {
		return 160, 153
	}
	return 70, 67
}

// basic is the default alphabet by code; the escape at 0x1B stands for itself.
var basic = []rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")

// extended is what an escape reaches, by code.
var extended = map[byte]rune{
	0x0a: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2f: '\\', 0x3c: '[', 0x3d: '~', 0x3e: ']', 0x40: '|', 0x65: '€',
}

const escape = 0x1b

// codes are the septets of each character of both tables.
var codes = func() map[rune][]byte {
	m := map[rune][]byte{}
	for code, r := range basic {
		if code != escape {
			m[r] = []byte{byte(code)}
		}
	}
	for code, r := range extended {
		m[r] = []byte{escape, code}
	}
	return m
}()

// Of says how a text goes over the air.
func Of(text string) Encoding {
	for _, r := range text {
		if _, is := codes[r]; !is {
			return UCS2
		}
	}
	return GSM7
}

// Units is the length of a text: septets, or units of two octets.
func Units(text string) int {
	e, n := Of(text), 0
	for _, r := range text {
		n += size(e, r)
	}
	return n
}

// size is the units of one character.
func size(e Encoding, r rune) int {
	if e == GSM7 {
		return len(codes[r])
	}
	return max(utf16.RuneLen(r), 1) // what is no character goes as its replacement
}

// Count is how many messages a text is sent in; an empty one is one.
func Count(text string) int { return len(Split(text)) }

// Split cuts a text into what each message holds.
func Split(text string) []string {
	e := Of(text)
	alone, part := e.room()
	if Units(text) <= alone {
		return []string{text}
	}
	var parts []string
	begin, used := 0, 0
	for i, r := range text {
		n := size(e, r)
		if used+n > part {
			parts = append(parts, text[begin:i])
			begin, used = i, 0
		}
		used += n
	}
	return append(parts, text[begin:])
}

// Encode writes a text in an encoding: a septet in each octet, or big-endian UTF-16.
// A character that GSM-7 does not have becomes a question mark.
func Encode(text string, e Encoding) []byte {
	var out []byte
	if e == GSM7 {
		for _, r := range text {
			if code, is := codes[r]; is {
				out = append(out, code...)
			} else {
				out = append(out, '?')
			}
		}
		return out
	}
	for _, u := range utf16.Encode([]rune(text)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}

// Decode reads what Encode wrote. What has no meaning becomes U+FFFD.
func Decode(b []byte, e Encoding) string {
	if e == UCS2 {
		units := make([]uint16, 0, len(b)/2)
		for i := 0; i+1 < len(b); i += 2 {
			units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
		}
		return string(utf16.Decode(units))
	}
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == escape && i+1 < len(b):
			i++
			r, is := extended[b[i]]
			if !is {
				r = utf8.RuneError
			}
			out.WriteRune(r)
		case int(b[i]) < len(basic) && b[i] != escape:
			out.WriteRune(basic[b[i]])
		default:
			out.WriteRune(utf8.RuneError)
		}
	}
	return out.String()
}
