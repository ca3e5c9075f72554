package profile

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A profile is read and written once per unit of work, so its BSON is written by
// hand: reflection costs several times as much as the whole fold of an event.

var errCorrupt = errors.New("profile: corrupt document")

// MarshalBSON implements bson.Marshaler.
func (p *Profile) MarshalBSON() ([]byte, error) {
	size := 256 + 48*len(p.Parts) + 128*len(p.Identifiers) + 192*len(p.Consents)
	for i := range p.Traits {
		size += 128 + len(p.Traits[i].Path) + len(p.Traits[i].Value.Value)
	}
	_, b := bc.AppendDocumentStart(make([]byte, 0, size))
	b = bc.AppendStringElement(b, "_id", p.ID)
	b = bc.AppendInt64Element(b, "_v", p.V)
	b = appendStrings(b, "parts", p.Parts)
	if len(p.Identifiers) > 0 {
		b = appendArray(b, "identifiers", p.Identifiers, appendHeld)
	}
	if len(p.Traits) > 0 {
		b = appendArray(b, "traits", p.Traits, appendTrait)
	}
	if len(p.Consents) > 0 {
		b = appendArray(b, "consents", p.Consents, appendConsent)
	}
	if len(p.Restrictions) > 0 {
		b = appendArray(b, "restrictions", p.Restrictions, appendRestriction)
	}
	if len(p.Separations) > 0 {
		b = appendStrings(b, "separations", p.Separations)
	}
	if len(p.Proposals) > 0 {
		b = appendStrings(b, "proposals", p.Proposals)
	}
	if len(p.Released) > 0 {
		b = appendStrings(b, "released", p.Released)
	}
	b = bc.AppendInt64Element(b, "seq", p.Seq)
	b = bc.AppendInt64Element(b, "mergedSeq", p.MergedSeq)
	if p.ReleasedSeq != 0 {
		b = bc.AppendInt64Element(b, "releasedSeq", p.ReleasedSeq)
	}
	b = bc.AppendInt64Element(b, "events", p.Events)
	b = bc.AppendInt64Element(b, "k", p.Bucket)
	if p.Restricted != 0 {
		b = bc.AppendInt64Element(b, "restricted", p.Restricted)
	}
	b = appendTime(b, "firstSeenAt", p.FirstSeenAt)
	b = appendTime(b, "lastSeenAt", p.LastSeenAt)
	b = appendTime(b, "createdAt", p.CreatedAt)
	b = appendTime(b, "updatedAt", p.UpdatedAt)
	if !p.HeldUntil.IsZero() {
		b = appendTime(b, "heldUntil", p.HeldUntil)
	}
	return bc.AppendDocumentEnd(b, 0)
}

func appendHeld(b []byte, h *Held) []byte {
	b = bc.AppendStringElement(b, "n", h.Namespace)
	b = bc.AppendStringElement(b, "v", h.Value)
	b = bc.AppendStringElement(b, "p", h.Part)
	b = appendTime(b, "t", h.At)
	return bc.AppendInt64Element(b, "q", h.Seq)
}

func appendTrait(b []byte, t *Trait) []byte {
	b = bc.AppendStringElement(b, "p", t.Path)
	b = bc.AppendValueElement(b, "v", bc.Value{Type: bc.Type(t.Value.Type), Data: t.Value.Value})
	b = bc.AppendStringElement(b, "s", t.Source)
	b = appendTime(b, "t", t.At)
	b = bc.AppendStringElement(b, "e", t.Event)
	if t.Priority != 0 {
		b = bc.AppendInt64Element(b, "n", t.Priority)
	}
	if t.Rule != LastWrite {
		b = bc.AppendStringElement(b, "r", t.Rule)
	}
	return bc.AppendInt64Element(b, "q", t.Seq)
}

func appendConsent(b []byte, c *Consent) []byte {
	b = bc.AppendStringElement(b, "u", c.Purpose)
	if c.Channel != "" {
		b = bc.AppendStringElement(b, "c", c.Channel)
	}
	if c.Recorded {
		b = bc.AppendBooleanElement(b, "r", true)
	}
	b = appendStrings(b, "p", c.Parts)
	b = bc.AppendStringElement(b, "s", c.Status)
	b = appendTime(b, "t", c.At)
	if !c.ExpiresAt.IsZero() {
		b = appendTime(b, "x", c.ExpiresAt)
	}
	if !c.FirstYes.IsZero() {
		b = appendTime(b, "g", c.FirstYes)
	}
	if c.Confirmed {
		b = bc.AppendBooleanElement(b, "k", true)
	}
	b = bc.AppendStringElement(b, "e", c.Event)
	return bc.AppendInt64Element(b, "q", c.Seq)
}

func appendRestriction(b []byte, r *Restriction) []byte {
	if r.Purpose != "" {
		b = bc.AppendStringElement(b, "u", r.Purpose)
	}
	b = appendStrings(b, "p", r.Parts)
	if r.On {
		b = bc.AppendBooleanElement(b, "o", true)
	}
	b = appendTime(b, "t", r.At)
	b = bc.AppendStringElement(b, "e", r.Event)
	return bc.AppendInt64Element(b, "q", r.Seq)
}

func appendTime(b []byte, key string, t time.Time) []byte {
	return bc.AppendDateTimeElement(b, key, t.UnixMilli())
}

func appendStrings(b []byte, key string, list []string) []byte {
	start, b := bc.AppendArrayElementStart(b, key)
	for i, s := range list {
		b = bc.AppendStringElement(b, ordinal(i), s)
	}
	b, _ = bc.AppendArrayEnd(b, start)
	return b
}

func appendArray[T any](b []byte, key string, list []T, f func([]byte, *T) []byte) []byte {
	start, b := bc.AppendArrayElementStart(b, key)
	for i := range list {
		var at int32
		at, b = bc.AppendDocumentElementStart(b, ordinal(i))
		b = f(b, &list[i])
		b, _ = bc.AppendDocumentEnd(b, at)
	}
	b, _ = bc.AppendArrayEnd(b, start)
	return b
}

var ordinals = func() (out [1000]string) {
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}()

func ordinal(i int) string {
	if i < len(ordinals) {
		return ordinals[i]
	}
	return strconv.Itoa(i)
}

// UnmarshalBSON implements bson.Unmarshaler.
func (p *Profile) UnmarshalBSON(data []byte) error {
	d := decoder{text: string(data)} // every string below is a piece of this one
	*p = Profile{}
	d.each(bytes.Clone(data), 0, func(key string, v bc.Value, at int) {
		switch key {
		case "_id":
			p.ID = d.str(v, at)
		case "_v":
			p.V = d.int(v)
		case "parts":
			p.Parts = d.strings(v, at)
		case "identifiers":
			p.Identifiers = decodeArray(&d, v, at, d.held)
		case "traits":
			p.Traits = decodeArray(&d, v, at, d.trait)
		case "consents":
			p.Consents = decodeArray(&d, v, at, d.consent)
		case "restrictions":
			p.Restrictions = decodeArray(&d, v, at, d.restriction)
		case "restricted":
			p.Restricted = d.int(v)
		case "separations":
			p.Separations = d.strings(v, at)
		case "proposals":
			p.Proposals = d.strings(v, at)
		case "released":
			p.Released = d.strings(v, at)
		case "releasedSeq":
			p.ReleasedSeq = d.int(v)
		case "seq":
			p.Seq = d.int(v)
		case "mergedSeq":
			p.MergedSeq = d.int(v)
		case "events":
			p.Events = d.int(v)
		case "k":
			p.Bucket = d.int(v)
		case "firstSeenAt":
			p.FirstSeenAt = d.time(v)
		case "lastSeenAt":
			p.LastSeenAt = d.time(v)
		case "createdAt":
			p.CreatedAt = d.time(v)
		case "updatedAt":
			p.UpdatedAt = d.time(v)
		case "heldUntil":
			p.HeldUntil = d.time(v)
		}
	})
	return d.err
}

// decoder walks a document. Offsets are kept so that strings can be cut out of
// text, which costs one allocation for all of them.
type decoder struct {
	text string
	err  error
}

// each calls f with each element of the document doc that begins at offset base
// of the text; at is the offset of the element's value.
func (d *decoder) each(doc []byte, base int, f func(key string, v bc.Value, at int)) {
	if n, _, ok := bc.ReadLength(doc); !ok || int(n) != len(doc) || n < 5 {
		d.err = errCorrupt
		return
	}
	pos := 4
	for d.err == nil && pos < len(doc) && doc[pos] != 0 {
		typ := bc.Type(doc[pos])
		n := bytes.IndexByte(doc[pos+1:], 0)
		if n < 0 {
			d.err = errCorrupt
			return
		}
		start := pos + 1
		pos = start + n + 1
		v, rest, ok := bc.ReadValue(doc[pos:], typ)
		if !ok {
			d.err = errCorrupt
			return
		}
		f(d.text[base+start:base+start+n], v, base+pos)
		pos = len(doc) - len(rest)
	}
}

func (d *decoder) held(doc []byte, base int, h *Held) {
	d.each(doc, base, func(key string, v bc.Value, at int) {
		switch key {
		case "n":
			h.Namespace = d.str(v, at)
		case "v":
			h.Value = d.str(v, at)
		case "p":
			h.Part = d.str(v, at)
		case "t":
			h.At = d.time(v)
		case "q":
			h.Seq = d.int(v)
		}
	})
}

func (d *decoder) trait(doc []byte, base int, t *Trait) {
	t.Rule = LastWrite
	d.each(doc, base, func(key string, v bc.Value, at int) {
		switch key {
		case "p":
			t.Path = d.str(v, at)
		case "v":
			t.Value = bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}
		case "s":
			t.Source = d.str(v, at)
		case "t":
			t.At = d.time(v)
		case "e":
			t.Event = d.str(v, at)
		case "n":
			t.Priority = d.int(v)
		case "r":
			t.Rule = d.str(v, at)
		case "q":
			t.Seq = d.int(v)
		}
	})
}

func (d *decoder) consent(doc []byte, base int, c *Consent) {
	d.each(doc, base, func(key string, v bc.Value, at int) {
		switch key {
		case "u":
			c.Purpose = d.str(v, at)
		case "c":
			c.Channel = d.str(v, at)
		case "r":
			c.Recorded, _ = v.BooleanOK()
		case "x":
			c.ExpiresAt = d.time(v)
		case "g":
			c.FirstYes = d.time(v)
		case "k":
			c.Confirmed, _ = v.BooleanOK()
		case "p":
			c.Parts = d.strings(v, at)
		case "s":
			c.Status = d.str(v, at)
		case "t":
			c.At = d.time(v)
		case "e":
			c.Event = d.str(v, at)
		case "q":
			c.Seq = d.int(v)
		}
	})
}

func (d *decoder) restriction(doc []byte, base int, r *Restriction) {
	d.each(doc, base, func(key string, v bc.Value, at int) {
		switch key {
		case "u":
			r.Purpose = d.str(v, at)
		case "p":
			r.Parts = d.strings(v, at)
		case "o":
			r.On, _ = v.BooleanOK()
		case "t":
			r.At = d.time(v)
		case "e":
			r.Event = d.str(v, at)
		case "q":
			r.Seq = d.int(v)
		}
	})
}

func decodeArray[T any](d *decoder, v bc.Value, at int, f func([]byte, int, *T)) []T {
	if v.Type != bc.TypeArray {
		d.err = errCorrupt
		return nil
	}
	n := 0
	d.each(v.Data, at, func(string, bc.Value, int) { n++ })
	out := make([]T, 0, n)
	d.each(v.Data, at, func(_ string, v bc.Value, at int) {
		if v.Type != bc.TypeEmbeddedDocument {
			d.err = errCorrupt
			return
		}
		var t T
		f(v.Data, at, &t)
		out = append(out, t)
	})
	return out
}

func (d *decoder) strings(v bc.Value, at int) []string {
	if v.Type != bc.TypeArray {
		d.err = errCorrupt
		return nil
	}
	out := make([]string, 0, 1)
	d.each(v.Data, at, func(_ string, v bc.Value, at int) { out = append(out, d.str(v, at)) })
	return out
}

// str cuts a string value: four bytes of length, the text, a zero.
func (d *decoder) str(v bc.Value, at int) string {
	if v.Type != bc.TypeString || len(v.Data) < 5 {
		d.err = errCorrupt
		return ""
	}
	return d.text[at+4 : at+len(v.Data)-1]
}

func (d *decoder) int(v bc.Value) int64 {
	n, ok := v.AsInt64OK()
	if !ok {
		d.err = errCorrupt
	}
	return n
}

func (d *decoder) time(v bc.Value) time.Time {
	if v.Type != bc.TypeDateTime {
		d.err = errCorrupt
		return time.Time{}
	}
	return time.UnixMilli(v.DateTime()).UTC()
}
