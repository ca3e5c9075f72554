package sync

import (
	"encoding/json"
	"errors"
	"hash/maphash"
	"net/url"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// What is taken from a connector, and through it from a vendor. More is refused where it is,
// so that one record, or one answer, never stands in the way of the others.
const (
	maxCursor   = 64 << 10            // bytes
	maxRemote   = 1 << 10             // bytes of the vendor's id of a record
	maxTraits   = 256 << 10           // bytes of what one record writes here
	maxKept     = 256 << 10           // bytes of a record that a dead letter keeps
	maxReceived = 3 << 20             // bytes of what a webhook says, in the form in which it is kept
	maxStill    = 100                 // pages in a row that bring nothing new
	maxWait     = 31 * 24 * time.Hour // until somebody is called again
	maxErasing  = 24 * time.Hour      // until an erasure under way is asked after again
	maxSkew     = 24 * time.Hour      // that a vendor's clock may be ahead of ours
)

// instant returns a vendor's time, and the zero time for one that no clock shows, or that is so
// far ahead that whatever comes later would be older.
func (s *Service) instant(t time.Time) time.Time {
	if t.Year() < 1 || t.After(s.now().Add(maxSkew)) {
		return time.Time{}
	}
	return t
}

// believed puts the times of a page right.
func (s *Service) believed(p *Page) {
	for i := range p.Records {
		p.Records[i].UpdatedAt = s.instant(p.Records[i].UpdatedAt)
	}
	s.believedTold(p.Events, p.Consents, p.Deliveries, p.Inbound)
}

// believedHook does the same for what a webhook says.
func (s *Service) believedHook(r *Received) {
	for i := range r.Records {
		r.Records[i].Record.UpdatedAt = s.instant(r.Records[i].Record.UpdatedAt)
	}
	s.believedTold(r.Events, r.Consents, r.Deliveries, r.Inbound)
}

func (s *Service) believedTold(events []Event, consents []ConsentChange, deliveries []Delivery, inbound []Inbound) {
	for i := range events {
		events[i].At = s.instant(events[i].At)
	}
	for i := range consents {
		consents[i].At = s.instant(consents[i].At)
	}
	for i := range deliveries {
		deliveries[i].At = s.instant(deliveries[i].At)
	}
	for i := range inbound {
		inbound[i].At = s.instant(inbound[i].At)
	}
}

// wrong says what keeps a record from being taken, whatever stands in it; nil when nothing does.
func (r *Record) wrong() *Fault {
	switch {
	case r.ID == "":
		return &Fault{Kind: FaultInvalidRecord, Origin: FromConnector, Reason: "NO_ID", Message: "the connector gave a record without an id"}
	case len(r.ID) > maxRemote || len(r.Merged) > maxRemote:
		return &Fault{Kind: FaultInvalidRecord, Origin: FromConnector, Reason: "ID_TOO_LONG", Message: "the connector gave a record an id of more than " + strconv.Itoa(maxRemote) + " bytes"}
	}
	return nil
}

// tooLarge is the fault of a record that holds more than is kept of anybody.
func tooLarge() *Fault {
	return &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Reason: "TOO_LARGE",
		Message: "the record holds more than " + strconv.Itoa(maxTraits>>10) + " KiB; map fewer fields, or make them shorter at the vendor"}
}

// still counts the pages of a pull that bring nothing new.
type still struct {
	seed  maphash.Seed
	last  uint64
	count int
}

// look hears of a page, and returns the fault of a pull that goes nowhere.
func (s *still) look(p *Page) *Fault {
	if s.count == 0 && s.last == 0 {
		s.seed = maphash.MakeSeed()
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	for i := range p.Records {
		r := &p.Records[i]
		_, _ = h.WriteString(r.ID)
		_, _ = h.WriteString(r.UpdatedAt.Format(time.RFC3339Nano))
	}
	for i := range p.Events {
		_, _ = h.WriteString(p.Events[i].Key)
	}
	for i := range p.Consents {
		_, _ = h.WriteString(p.Consents[i].Key)
	}
	for i := range p.Deliveries {
		_, _ = h.WriteString(p.Deliveries[i].Event)
	}
	for i := range p.Inbound {
		_, _ = h.WriteString(p.Inbound[i].ID)
	}
	_, _ = h.Write(p.Cursor)
	if sum := h.Sum64() | 1; sum == s.last {
		s.count++
	} else {
		s.last, s.count = sum, 1
	}
	if s.count < maxStill {
		return nil
	}
	return &Fault{Kind: FaultRetry, Origin: FromConnector, Reason: "NO_PROGRESS", After: time.Minute,
		Message: "the connector gave the same page " + strconv.Itoa(maxStill) + " times; its paging does not go on, which its author must mend"}
}

// cursorFault refuses one that is no bookmark any more.
func cursorFault(c []byte) *Fault {
	if len(c) <= maxCursor {
		return nil
	}
	return &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "CURSOR_TOO_LARGE", After: time.Minute,
		Message: "the connector gave a cursor of more than 64 KiB; its author must keep less in it"}
}

// payload is what a dead letter keeps of a record; "" for one that is too large to be kept.
func payload(r *Record) (string, error) {
	text, err := json.Marshal(kept{Fields: r.Fields, Deleted: r.Deleted, Merged: r.Merged, UpdatedAt: r.UpdatedAt})
	if err != nil {
		return "", err
	}
	if len(text) > maxKept {
		return "", nil
	}
	return string(text), nil
}

// halved reports whether an error says that a batch of n is to be taken in two parts.
func halved(err error, n int) bool { return n > 1 && errors.Is(err, store.ErrTooLarge) }

// everybody reports whether every item has a fault that is the connection's, not its own: one
// that passes, or, of several items, one of the credential or the configuration.
func everybody(results []Result) bool {
	for _, r := range results {
		if r.Fault == nil || !r.Fault.passing() && (len(results) == 1 || r.Fault.Kind != FaultUnauthorized && r.Fault.Kind != FaultInvalidConfig) {
			return false
		}
	}
	return true
}

// web refuses an address that a person's browser should not be sent to.
func (s *Service) web(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !s.Private) {
		return core.Errorf(core.Unavailable, "AUTHORIZE_URL", "the connector gave no https address of the vendor to send somebody to; its author must mend that")
	}
	return nil
}
