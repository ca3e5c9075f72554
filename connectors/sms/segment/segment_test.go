package segment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/headwater-cdp/headwater/connectors/sms/segment"
)

func TestCount(t *testing.T) {
	r := strings.Repeat
	for _, c := range []struct {
		name     string
		text     string
		encoding segment.Encoding
		units    int
		segments int
	}{
		{"empty", "", segment.GSM7, 0, 1},
		{"the whole default alphabet", "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà", segment.GSM7, 65, 1},
		{"160 fit alone", r("a", 160), segment.GSM7, 160, 1},
		{"161 do not", r("a", 161), segment.GSM7, 161, 2},
		{"two parts full", r("a", 306), segment.GSM7, 306, 2},
		{"a third", r("a", 307), segment.GSM7, 307, 3},
		{"each of the extension is two", r("€", 80), segment.GSM7, 160, 1},
		{"81 of them", r("€", 81), segment.GSM7, 162, 2},
		{"the extension table", "^{}\\[~]|€\f", segment.GSM7, 20, 1},
		{"an escape is not torn: 152 and one early", r("a", 152) + "€" + r("b", 152), segment.GSM7, 306, 3},
		{"the same with room", r("a", 151) + "€" + r("b", 153), segment.GSM7, 306, 2},
		{"c with a cedilla, small, is not in it", "ç", segment.UCS2, 1, 1},
		{"a backquote is not in it", "`", segment.UCS2, 1, 1},
		{"70 fit alone", r("ж", 70), segment.UCS2, 70, 1},
		{"71 do not", r("ж", 71), segment.UCS2, 71, 2},
		{"two parts full of them", r("ж", 134), segment.UCS2, 134, 2},
		{"a third of them", r("ж", 135), segment.UCS2, 135, 3},
		{"one of them turns all", r("a", 70) + "ж", segment.UCS2, 71, 2},
		{"beyond the first plane is two", r("😀", 35), segment.UCS2, 70, 1},
		{"36 of those", r("😀", 36), segment.UCS2, 72, 2},
		{"a pair is not torn: 66 and one early", r("ж", 66) + "😀" + r("ж", 66), segment.UCS2, 134, 3},
		{"no character at all", string([]byte{0xff}), segment.UCS2, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.encoding, segment.Of(c.text))
			assert.Equal(t, c.units, segment.Units(c.text))
			assert.Equal(t, c.segments, segment.Count(c.text))
			parts := segment.Split(c.text)
			assert.Equal(t, c.text, strings.Join(parts, ""))
			for _, p := range parts {
				limit := map[segment.Encoding]int{segment.GSM7: 153, segment.UCS2: 67}[c.encoding]
				if len(parts) > 1 {
					assert.LessOrEqual(t, len(segment.Encode(p, c.encoding)), limit*map[segment.Encoding]int{segment.GSM7: 1, segment.UCS2: 2}[c.encoding])
				}
			}
		})
	}
}

func TestEncodeThenDecode(t *testing.T) {
	for _, text := range []string{"Ciao €5 {x} [y] ~|^\\", "Привет 😀", "@£\n\r§à", ""} {
		e := segment.Of(text)
		assert.Equal(t, text, segment.Decode(segment.Encode(text, e), e))
	}
	assert.Equal(t, []byte{0x1b, 0x65, 0x00}, segment.Encode("€@", segment.GSM7))
	assert.Equal(t, []byte{0xd8, 0x3d, 0xde, 0x00}, segment.Encode("😀", segment.UCS2))
	assert.Equal(t, "?", segment.Decode(segment.Encode("ж", segment.GSM7), segment.GSM7))
	assert.Equal(t, "��", segment.Decode([]byte{0x1b, 0x01, 0x1b}, segment.GSM7))
}
