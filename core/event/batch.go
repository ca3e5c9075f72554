package event

import (
	"bytes"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// The limits of a batch beside MaxBatch. A batch's context is stored with each of
// its messages, so that what it comes to in all is bounded too.
const (
	MaxBatchMessages = 10_000
	MaxBatchContext  = 8 << 20 // bytes of the batch's context times its messages
)

// Batch is a request of several messages.
type Batch struct {
	WriteKey string // from the body; "" when it stands in the header
	Inputs   []Input
}

var bom = []byte("\xef\xbb\xbf")

// DecodeBatch reads a batch: an object with the messages in batch, and sentAt,
// context and integrations that hold for each. What is wrong with one message
// stands in its Input; the error is about the body as a whole. An id of the batch
// itself, as one SDK sends it, is no event's id.
func DecodeBatch(body []byte, receivedAt time.Time) (Batch, *core.Error) {
	return DecodeBatchWith(body, Defaults{ReceivedAt: receivedAt})
}

// DecodeBatchWith is DecodeBatch with what the request says beside its body: the
// batch's own context and integrations are merged over those of d.
func DecodeBatchWith(body []byte, d Defaults) (Batch, *core.Error) {
	var b Batch
	if len(body) > MaxBatch {
		return b, invalid(ReasonBatchTooLarge, "a batch may have %d bytes, this one has %d", MaxBatch, len(body))
	}
	s := newScanner(bytes.TrimPrefix(body, bom))
	defer s.free()
	if s.space() != '{' {
		if err := s.skip(); err != nil {
			return b, err
		}
		return b, invalid(ReasonNotAnObject, "a batch is a JSON object with the messages in batch")
	}
	var batch, sentAt, context, integrations []byte
	err := s.eachMember(func(key []byte, from, to int) {
		switch text := s.src[from:to]; string(key) {
		case "batch":
			batch = text
		case "sentAt":
			sentAt = text
		case "context":
			context = text
		case "integrations":
			integrations = text
		case "writeKey":
			b.WriteKey = plainText(text)
		}
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return b, err
	}
	if len(batch) == 0 || batch[0] != '[' {
		return b, invalid(ReasonBatchMissing, "the messages stand in batch, an array").At("batch")
	}
	d.SentAt, d.sentAtErr = sentTime(sentAt)
	if d.Context, err = envelope(d.Context, context, "context"); err != nil {
		return b, err
	}
	if d.Integrations, err = envelope(d.Integrations, integrations, "integrations"); err != nil {
		return b, err
	}
	b.Inputs, err = s.messages(batch, &d)
	return b, err
}

// messages decodes the elements of the array, whose syntax was checked.
func (s *scanner) messages(array []byte, d *Defaults) ([]Input, *core.Error) {
	s.src, s.pos = array, 1
	var spans [][2]int
	for s.space() != ']' {
		if s.src[s.pos] == ',' {
			s.pos++
			s.space()
		}
		from := s.pos
		if err := s.skip(); err != nil {
			return nil, err
		}
		if spans = append(spans, [2]int{from, s.pos}); len(spans) > MaxBatchMessages {
			return nil, invalid(ReasonBatchTooLong, "a batch may have %d messages", MaxBatchMessages).At("batch")
		}
	}
	if len(spans)*(len(d.Context)+len(d.Integrations)) > MaxBatchContext {
		return nil, invalid(ReasonBatchTooLarge, "the context of a batch, times its messages, may have %d bytes", MaxBatchContext).At("context")
	}
	inputs := make([]Input, len(spans))
	for i, span := range spans {
		inputs[i] = decodeMessage(array[span[0]:span[1]:span[1]], d)
	}
	return inputs, nil
}

func envelope(under bson.Raw, text []byte, name string) (bson.Raw, *core.Error) {
	if text == nil || text[0] == 'n' || text[0] == '[' && len(text) == 2 {
		return under, nil
	}
	if len(text) > MaxMessage {
		return nil, invalid(ReasonMessageTooLarge, "the %s of a batch may have %d bytes", name, MaxMessage).At(name)
	}
	doc, err := FromJSON(text)
	if err != nil {
		return nil, err.At(name)
	}
	return MergeDocs(under, doc), nil
}

func sentTime(text []byte) (*time.Time, *core.Error) {
	if text == nil || text[0] == 'n' {
		return nil, nil
	}
	m := message{scanner: &scanner{}}
	m.fields[fSentAt] = text
	sent := m.time(fSentAt)
	if !sent.ok {
		return nil, m.in.Err
	}
	return &sent.at, nil
}

// plainText returns the string that a JSON text holds, or "".
func plainText(text []byte) string {
	if len(text) < 2 || text[0] != '"' || !utf8.Valid(text) {
		return ""
	}
	out, _ := unescape(nil, text[1:len(text)-1])
	return string(out)
}

// WriteKey returns the writeKey in the body of a lone message, or "".
func WriteKey(body []byte) string { return plainText(member(bytes.TrimPrefix(body, bom), "writeKey")) }
