package segment

import (
	"bytes"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A behaviour is read and written with most events that concern a segment, so its
// BSON is written by hand. Besides what is indexed it is one packed value per part,
// and ledgers that nobody opens are copied as they are.

// MarshalBSON implements bson.Marshaler.
func (b *Behaviour) MarshalBSON() ([]byte, error) {
	_, out := bc.AppendDocumentStart(make([]byte, 0, 512))
	out = bc.AppendStringElement(out, "_id", b.ID)
	out = bc.AppendInt64Element(out, "_v", b.V)
	out = bc.AppendInt64Element(out, "rev", b.Rev)
	out = bc.AppendInt64Element(out, "shard", b.Shard)
	if !b.Due.IsZero() {
		out = bc.AppendDateTimeElement(out, "due", b.Due.UnixMilli())
	}
	if len(b.Parts) > 0 {
		var at int32
		at, out = bc.AppendDocumentElementStart(out, "p")
		for i := range b.Parts {
			out = appendPart(out, &b.Parts[i])
		}
		out, _ = bc.AppendDocumentEnd(out, at)
	}
	if len(b.Members) > 0 {
		var at int32
		at, out = bc.AppendDocumentElementStart(out, "m")
		for _, m := range b.Members {
			if m.V == 1 {
				out = bc.AppendDateTimeElement(out, m.Segment, m.Since)
				continue
			}
			var doc int32
			doc, out = bc.AppendDocumentElementStart(out, m.Segment)
			out = bc.AppendDateTimeElement(out, "t", m.Since)
			out = bc.AppendInt64Element(out, "v", m.V)
			out, _ = bc.AppendDocumentEnd(out, doc)
		}
		out, _ = bc.AppendDocumentEnd(out, at)
	}
	if len(b.Nexts) > 0 {
		var at int32
		at, out = bc.AppendDocumentElementStart(out, "n")
		for _, n := range b.Nexts {
			out = bc.AppendDateTimeElement(out, n.Segment, n.At)
		}
		out, _ = bc.AppendDocumentEnd(out, at)
	}
	return bc.AppendDocumentEnd(out, 0)
}

func appendPart(out []byte, p *PartState) []byte {
	part, out := bc.AppendDocumentElementStart(out, p.Part)
	if len(p.Ledgers) > 0 {
		var at int32
		at, out = bc.AppendDocumentElementStart(out, "l")
		for i := range p.Ledgers {
			l := &p.Ledgers[i]
			packed := l.packed
			if packed == nil {
				packed = packLedger(l.ledger)
			}
			out = bc.AppendBinaryElement(out, l.Key, 0, packed)
		}
		out, _ = bc.AppendDocumentEnd(out, at)
		out = appendMonths(out, p.Ledgers)
	}
	if len(p.Lists) > 0 {
		var at int32
		at, out = bc.AppendDocumentElementStart(out, "s")
		for _, w := range p.Lists {
			var doc int32
			doc, out = bc.AppendDocumentElementStart(out, w.Segment)
			out = bc.AppendDateTimeElement(out, "t", w.At)
			out = bc.AppendStringElement(out, "e", w.Event)
			out = bc.AppendBooleanElement(out, "in", w.In)
			out, _ = bc.AppendDocumentEnd(out, doc)
		}
		out, _ = bc.AppendDocumentEnd(out, at)
	}
	out, _ = bc.AppendDocumentEnd(out, part)
	return out
}

// appendMonths writes which ledgers have entries elsewhere, three numbers a month.
func appendMonths(out []byte, ledgers []LedgerState) []byte {
	spilled := false
	for i := range ledgers {
		spilled = spilled || len(ledgers[i].Months) > 0
	}
	if !spilled {
		return out
	}
	at, out := bc.AppendDocumentElementStart(out, "x")
	for i := range ledgers {
		if len(ledgers[i].Months) == 0 {
			continue
		}
		var list int32
		list, out = bc.AppendArrayElementStart(out, ledgers[i].Key)
		for _, m := range ledgers[i].Months {
			for _, n := range [...]int32{m.Month, m.From, m.To} {
				out = bc.AppendInt32Element(out, "0", n)
			}
		}
		out, _ = bc.AppendArrayEnd(out, list)
	}
	out, _ = bc.AppendDocumentEnd(out, at)
	return out
}

// UnmarshalBSON implements bson.Unmarshaler.
func (b *Behaviour) UnmarshalBSON(raw []byte) error {
	*b = Behaviour{}
	return eachElement(raw, func(key string, v bson.RawValue) bool {
		switch key {
		case "_id":
			b.ID = text(v)
		case "_v":
			b.V = whole(v)
		case "rev":
			b.Rev = whole(v)
		case "shard":
			b.Shard = whole(v)
		case "due":
			b.Due = time.UnixMilli(moment(v)).UTC()
		case "p":
			return eachElement(v.Value, b.readPart) == nil
		case "m":
			return eachElement(v.Value, func(id string, v bson.RawValue) bool {
				m := Member{Segment: id, V: 1}
				if v.Type == bson.TypeEmbeddedDocument {
					doc := bson.Raw(v.Value)
					m.Since, m.V = moment(doc.Lookup("t")), whole(doc.Lookup("v"))
				} else {
					m.Since = moment(v)
				}
				b.Members = append(b.Members, m)
				return true
			}) == nil
		case "n":
			return eachElement(v.Value, func(id string, v bson.RawValue) bool {
				b.Nexts = append(b.Nexts, Next{id, moment(v)})
				return true
			}) == nil
		}
		return true
	})
}

func (b *Behaviour) readPart(id string, v bson.RawValue) bool {
	p := PartState{Part: id}
	err := eachElement(v.Value, func(key string, v bson.RawValue) bool {
		switch key {
		case "l":
			return eachElement(v.Value, func(key string, v bson.RawValue) bool {
				_, data, ok := v.BinaryOK()
				p.Ledgers = append(p.Ledgers, LedgerState{Key: key, packed: bytes.Clone(data)})
				return ok
			}) == nil
		case "x":
			return eachElement(v.Value, p.readMonths) == nil
		case "s":
			return eachElement(v.Value, func(id string, v bson.RawValue) bool {
				doc := bson.Raw(v.Value)
				in, _ := doc.Lookup("in").BooleanOK()
				p.Lists = append(p.Lists, ListState{Segment: id, At: moment(doc.Lookup("t")), Event: text(doc.Lookup("e")), In: in})
				return true
			}) == nil
		}
		return true
	})
	b.Parts = append(b.Parts, p)
	return err == nil
}

func (p *PartState) readMonths(key string, v bson.RawValue) bool {
	i, ok := p.find(key)
	if !ok {
		return false
	}
	var n []int32
	err := eachElement(v.Value, func(_ string, v bson.RawValue) bool {
		x, ok := v.Int32OK()
		n = append(n, x)
		return ok
	})
	for ; len(n) >= 3; n = n[3:] {
		p.Ledgers[i].Months = append(p.Ledgers[i].Months, Spilled{n[0], n[1], n[2]})
	}
	return err == nil && len(n) == 0
}

// eachElement calls f with each element of a document until it returns false, which
// is a fault of the document.
func eachElement(doc []byte, f func(key string, v bson.RawValue) bool) error {
	n, rest, ok := bc.ReadLength(doc)
	if !ok || int(n) > len(doc) || n < 5 {
		return errCorrupt
	}
	rest = rest[:n-4]
	for len(rest) > 1 {
		var e bc.Element
		if e, rest, ok = bc.ReadElement(rest); !ok {
			return errCorrupt
		}
		v, err := e.ValueErr()
		if err != nil || !f(e.Key(), bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}) {
			return errCorrupt
		}
	}
	return nil
}

func text(v bson.RawValue) string {
	s, _ := v.StringValueOK()
	return s
}

func whole(v bson.RawValue) int64 {
	n, _ := v.AsInt64OK()
	return n
}

func moment(v bson.RawValue) int64 {
	if v.Type != bson.TypeDateTime {
		return 0
	}
	at, _, _ := bc.ReadDateTime(v.Value)
	return at
}
