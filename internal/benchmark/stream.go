package benchmark

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Kind is how a stream spreads its events over people.
type Kind string

// The kinds of stream.
const (
	// Uniform picks a person for each event: the worst case, because nearly every
	// event changes another profile.
	Uniform Kind = "uniform"
	// Sessions sends bursts of three to seven events of one person, as devices do.
	Sessions Kind = "sessions"
)

// Stream makes batches of the tracking protocol, of events of about 350 bytes. It
// is for one goroutine: make one for each client.
type Stream struct {
	kind   Kind
	people int
	rand   *rand.Rand
	prefix string // of message ids
	n      int64
	person int // of the burst
	left   int // events left in the burst
	buf    []byte
	now    []byte // time of the batch, RFC 3339
}

// NewStream returns a stream over people user-0 … user-(people-1). Streams with
// different names never use the same message id.
func NewStream(kind Kind, people int, name string) *Stream {
	seed := uint64(len(name))
	for _, c := range name {
		seed = seed*31 + uint64(c)
	}
	return &Stream{
		kind: kind, people: people, rand: rand.New(rand.NewPCG(seed, 7)),
		prefix: fmt.Sprintf("%s-%x-", name, time.Now().UnixNano()),
	}
}

// Batch returns the body of a batch request with n events. It is valid until the
// next call.
func (s *Stream) Batch(n int) []byte {
	s.now = time.Now().UTC().AppendFormat(s.now[:0], time.RFC3339Nano)
	b := append(s.buf[:0], `{"batch":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.event(b)
	}
	b = append(b, `],"sentAt":"`...)
	b = append(b, s.now...)
	s.buf = append(b, `"}`...)
	return s.buf
}

var names = []string{"Product Viewed", "Product Added", "Products Searched", "Product List Viewed", "Cart Viewed"}

// event appends one track event.
func (s *Stream) event(b []byte) []byte {
	if s.left == 0 {
		s.person, s.left = s.rand.IntN(s.people), 1
		if s.kind == Sessions {
			s.left = 3 + s.rand.IntN(5)
		}
	}
	s.left--
	s.n++
	sku := s.rand.IntN(500)
	b = append(b, `{"type":"track","messageId":"`...)
	b = append(b, s.prefix...)
	b = strconv.AppendInt(b, s.n, 10)
	b = append(b, `","userId":"`...)
	b = appendUser(b, s.person)
	if s.kind == Sessions {
		b = append(b, `","anonymousId":"device-`...)
		b = strconv.AppendInt(b, int64(s.person), 10)
	}
	b = append(b, `","event":"`...)
	b = append(b, names[sku%len(names)]...)
	b = append(b, `","timestamp":"`...)
	b = append(b, s.now...)
	b = append(b, `","properties":{"productId":"sku-`...)
	b = strconv.AppendInt(b, int64(sku), 10)
	b = append(b, `","price":`...)
	b = strconv.AppendInt(b, int64(5+sku%90), 10)
	b = append(b, `.5,"currency":"EUR","quantity":1,"category":"Bedroom"},"context":{"page":{"path":"/p/`...)
	b = strconv.AppendInt(b, int64(sku), 10)
	return append(b, `"},"locale":"de-DE","library":{"name":"bench","version":"1"}}}`...)
}

func appendUser(b []byte, person int) []byte {
	return strconv.AppendInt(append(b, "user-"...), int64(person), 10)
}

// UserID returns the user id of a person of the streams.
func UserID(person int) string { return string(appendUser(nil, person)) }
