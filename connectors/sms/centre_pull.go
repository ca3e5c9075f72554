package sms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sms/smpp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// errNotKept is why the centre is asked to send something again.
var errNotKept = errors.New("the host did not keep it")

// Pull implements sdk.Puller: texts, what they say of consent, and receipts. The centre is
// answered when Kept says that the page is on the host's disk.
func (s *centre) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	if from.Stream != inboundStream {
		return sdk.SchemaChanged("", "there is no such stream: discover again")
	}
	s.forget() // of a pull that broke off: it comes again
	for {
		taken, err := s.take(ctx)
		if err != nil {
			settle(taken, err)
			return err
		}
		if len(taken) == 0 {
			return nil
		}
		page := sdk.Page{}
		for _, p := range taken {
			if p.receipt != nil {
				page.Deliveries = append(page.Deliveries, *p.receipt)
				continue
			}
			add(&page, p.message, time.Now())
		}
		page.Cursor = []byte(s.give(taken))
		if err := emit(page); err != nil {
			s.forget()
			return err
		}
	}
}

// take waits for what the centre sends, and then a little for more.
func (s *centre) take(ctx context.Context) ([]pending, error) {
	var taken []pending
	wait := pullWait
	for len(taken) < maxPage && wait > 0 {
		s.mu.Lock()
		s.pulled = time.Now()
		s.mu.Unlock()
		select {
		case p := <-s.inbox:
			taken = append(taken, p)
			wait = moreWait
		case <-time.After(wait):
			wait = 0
		case <-ctx.Done():
			return taken, ctx.Err()
		}
	}
	return taken, nil
}

// give notes a page that is on its way, and returns its cursor: the centre keeps the place,
// so that it only tells pages apart.
func (s *centre) give(taken []pending) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages++
	cursor := strconv.FormatInt(time.Now().UnixMilli(), 10) + "." + strconv.Itoa(s.pages)
	s.given = append(s.given, given{cursor, taken})
	return cursor
}

// Kept implements sdk.Keeper.
func (s *centre) Kept(_ context.Context, _ string, cursor []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := slices.IndexFunc(s.given, func(g given) bool { return g.cursor == string(cursor) })
	for _, g := range s.given[:last+1] {
		settle(g.taken, nil)
	}
	s.given = s.given[last+1:]
	return nil
}

// forget lets the centre send again what nobody kept.
func (s *centre) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.given {
		settle(g.taken, errNotKept)
	}
	s.given = nil
}

func settle(taken []pending, err error) {
	for _, p := range taken {
		p.done <- err
	}
}

// add puts a text into a page: as an event, as what somebody wrote, and as what it says of
// their consent. The centre gives it no id: one that comes again within minutes has the
// same key. The parts of a long one come each by itself.
func add(page *sdk.Page, m smpp.Message, now time.Time) {
	text, part := m.Text()
	from := m.Source
	if number("+" + from) {
		from = "+" + from
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %x", m.Source, m.Dest, now.Unix()/600, m.Short))
	key := hex.EncodeToString(sum[:16])
	word := keyword(text)
	properties := map[string]any{"text": text, "to": m.Dest, "keyword": word}
	if part.Of > 1 {
		properties["part"], properties["parts"], properties["reference"] = part.Number, part.Of, part.Reference
	}
	page.Events = append(page.Events, sdk.Event{
		Key: key, Name: "SMS Received", At: now.UTC(), Identifiers: map[string]string{"phone": from}, Properties: properties,
	})
	page.Inbound = append(page.Inbound, sdk.Inbound{ID: key, Channel: "SMS", From: from, To: m.Dest, Text: text, At: now.UTC()})
	if word == "STOP" || word == "START" {
		page.Consents = append(page.Consents, consent(key, from, word, now.UTC()))
	}
}
