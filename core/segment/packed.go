package segment

import (
	"encoding/binary"
	"errors"
	"math/big"

	"github.com/shopspring/decimal"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// Ledgers are packed: a moment costs a few bytes, being written as the distance
// from the one before, an event's id 16.

var errCorrupt = errors.New("segment: corrupt document")

// The bits of an entry's flags.
const (
	entryPacked = 1 << iota // the event's id, packed
	entryEvent              // the event's id as text
	entryNum
	entryText
	entryMatch
)

func packEntries(b []byte, list []condition.Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	var last int64
	for i := range list {
		e := &list[i]
		b = binary.AppendVarint(b, e.At-last)
		last = e.At
		flags := byte(0)
		prefix, bits, packed := core.Pack(e.Event)
		packed = packed && prefix == core.PrefixEvent
		switch {
		case packed:
			flags |= entryPacked
		case e.Event != "":
			flags |= entryEvent
		}
		if len(e.Num) > 0 {
			flags |= entryNum
		}
		if len(e.Text) > 0 {
			flags |= entryText
		}
		if e.Match {
			flags |= entryMatch
		}
		b = append(b, flags)
		switch {
		case packed:
			b = append(b, bits[:]...)
		case e.Event != "":
			b = packText(b, e.Event)
		}
		if len(e.Num) > 0 {
			b = binary.AppendUvarint(b, uint64(len(e.Num)))
			for _, n := range e.Num {
				b = packDecimal(b, n)
			}
		}
		if len(e.Text) > 0 {
			b = packTexts(b, e.Text)
		}
	}
	return b
}

func packText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func packTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = packText(b, s)
	}
	return b
}

// packDecimal writes the exponent, then the sign and the coefficient's bytes.
func packDecimal(b []byte, d decimal.Decimal) []byte {
	c := d.Coefficient()
	b = binary.AppendVarint(b, int64(d.Exponent()))
	bytes := c.Bytes()
	n := uint64(len(bytes)) << 1
	if c.Sign() < 0 {
		n |= 1
	}
	return append(binary.AppendUvarint(b, n), bytes...)
}

func packTotal(b []byte, t *condition.Total) []byte {
	b = binary.AppendVarint(b, t.Count)
	b = binary.AppendVarint(b, t.First)
	b = binary.AppendVarint(b, t.Last)
	b = binary.AppendVarint(b, t.N)
	for _, d := range [...]decimal.Decimal{t.Sum, t.Min, t.Max} {
		b = packDecimal(b, d)
	}
	return packTexts(b, t.Distinct)
}

func packLedger(l *condition.Ledger) []byte {
	b := make([]byte, 0, 16+12*len(l.Entries))
	b = packEntries(b, l.Entries)
	if noTotal(&l.Total) {
		return b
	}
	return packTotal(b, &l.Total)
}

func noTotal(t *condition.Total) bool {
	return t.Count == 0 && t.N == 0 && t.First == 0 && t.Last == 0 && len(t.Distinct) == 0 &&
		t.Sum.IsZero() && t.Min.IsZero() && t.Max.IsZero()
}

// unpacker reads what was packed; after a fault it reads zeroes.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) varint() int64 {
	v, n := binary.Varint(u.b)
	if n <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) take(n uint64) []byte {
	if n > uint64(len(u.b)) {
		u.bad, u.b = true, nil
		return nil
	}
	out := u.b[:n]
	u.b = u.b[n:]
	return out
}

// count reads how many of something follow, each of which takes a byte or more.
func (u *unpacker) count() int {
	n := u.uvarint()
	if n > uint64(len(u.b)) {
		u.bad, u.b = true, nil
		return 0
	}
	return int(n)
}

func (u *unpacker) text() string { return string(u.take(u.uvarint())) }

func (u *unpacker) texts() []string {
	n := u.count()
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = u.text()
	}
	return out
}

func (u *unpacker) decimal() decimal.Decimal {
	exp := u.varint()
	n := u.uvarint()
	c := new(big.Int).SetBytes(u.take(n >> 1))
	if n&1 != 0 {
		c.Neg(c)
	}
	return decimal.NewFromBigInt(c, int32(exp))
}

func (u *unpacker) entries() []condition.Entry {
	n := u.count()
	if n == 0 {
		return nil
	}
	out := make([]condition.Entry, n)
	var last int64
	for i := range out {
		e := &out[i]
		last += u.varint()
		e.At = last
		head := u.take(1)
		if u.bad {
			return nil
		}
		flags := head[0]
		switch {
		case flags&entryPacked != 0:
			var bits [16]byte
			copy(bits[:], u.take(16))
			e.Event = core.Unpack(core.PrefixEvent, bits)
		case flags&entryEvent != 0:
			e.Event = u.text()
		}
		if flags&entryNum != 0 {
			e.Num = make([]condition.Decimal, u.count())
			for j := range e.Num {
				e.Num[j] = u.decimal()
			}
		}
		if flags&entryText != 0 {
			e.Text = u.texts()
		}
		e.Match = flags&entryMatch != 0
	}
	return out
}

func unpackLedger(b []byte) (*condition.Ledger, error) {
	u := &unpacker{b: b}
	l := &condition.Ledger{Entries: u.entries()}
	if len(u.b) > 0 {
		t := &l.Total
		t.Count, t.First, t.Last, t.N = u.varint(), u.varint(), u.varint(), u.varint()
		t.Sum, t.Min, t.Max = u.decimal(), u.decimal(), u.decimal()
		t.Distinct = u.texts()
	}
	if u.bad || len(u.b) > 0 {
		return nil, errCorrupt
	}
	return l, nil
}
