package event

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// QuarantineStatus is where an event that was kept aside stands.
type QuarantineStatus string

// The statuses. OPEN and CORRECTED can be replayed.
const (
	QuarantineOpen      QuarantineStatus = "OPEN"
	QuarantineCorrected QuarantineStatus = "CORRECTED"
	QuarantineReplayed  QuarantineStatus = "REPLAYED"
	QuarantineDiscarded QuarantineStatus = "DISCARDED"
)

var quarantineStatuses = []QuarantineStatus{QuarantineOpen, QuarantineCorrected, QuarantineReplayed, QuarantineDiscarded}

// QuarantineItem is an event that could not be taken, with what is needed to take
// it after all.
type QuarantineItem struct {
	store.Meta   `bson:",inline"` // key: workspace/qua_…, the hash of workspace, source and payload
	Source       string           `bson:"source"` // src_…
	Code         core.Code        `bson:"code"`
	Reason       string           `bson:"reason"`
	Message      string           `bson:"message"`
	Path         []string         `bson:"path,omitempty"`
	Raw          []byte           `bson:"raw,omitempty"`        // what was sent; dropped when discarded
	Correction   []byte           `bson:"correction,omitempty"` // what a person made of it
	MessageID    string           `bson:"messageId,omitempty"`
	Type         Type             `bson:"type,omitempty"`        // as far as it could be read
	DefaultType  Type             `bson:"defaultType,omitempty"` // of the request: what a message without a type is
	Name         string           `bson:"name,omitempty"`
	IDs          []string         `bson:"ids,omitempty"` // "userId/…" and the like, as far as they could be read
	ReceivedAt   time.Time        `bson:"receivedAt"`
	SentAt       *time.Time       `bson:"sentAt,omitempty"`       // of the batch
	Context      bson.Raw         `bson:"context,omitempty"`      // of the batch
	Integrations bson.Raw         `bson:"integrations,omitempty"` // of the batch
	GPC          bool             `bson:"gpc,omitempty"`
	Historical   bool             `bson:"historical,omitempty"`
	Status       QuarantineStatus `bson:"status"`
	Attempts     int64            `bson:"attempts,omitempty"` // replays that failed
	EventID      string           `bson:"eventId,omitempty"`  // what a replay made
	UpdatedAt    time.Time        `bson:"updatedAt"`
	UpdatedBy    string           `bson:"updatedBy,omitempty"` // the actor's id
}

// QuarantineID returns the item's id without its workspace.
func (q *QuarantineItem) QuarantineID() string { return store.Rest(q.ID) }

// Quarantine holds the events that were kept aside. It is data as it was sent, of
// people whom nobody has resolved yet: IDs is how erasure finds them.
var Quarantine = store.Declare[QuarantineItem](store.Spec{
	Name:    "quarantine",
	Subject: "ids",
	Reach:   store.ReachFinder, // ids name people as they were sent
	Data: map[string]core.Category{
		"raw":        core.Unclassified,
		"correction": core.Unclassified,
		"context":    core.Unclassified,
		"ids":        core.IdentifierID,
	},
	Indexes: []store.Index{
		store.On("status", "-receivedAt"),
		store.On("status", "reason", "-receivedAt"),
		store.On("status", "source", "-receivedAt"),
		store.On("ids[]"),
	},
})

// QuarantineKey returns the key of a payload: the same payload from the same
// source, sent again and again, is one item.
func QuarantineKey(ws, source string, raw []byte) string {
	return store.Key(ws, core.HashID(core.PrefixQuarantine, ws, source, string(raw)))
}

// NewQuarantineItem returns the item for an input with Err, not stored yet.
func NewQuarantineItem(ws, source string, in *Input, at time.Time) *QuarantineItem {
	at = at.UTC().Truncate(time.Millisecond)
	q := &QuarantineItem{
		Meta: store.Meta{ID: QuarantineKey(ws, source, in.Raw)}, Source: source, Raw: in.Raw, MessageID: in.MessageID,
		Type: in.Type, Name: strings.ToValidUTF8(in.Name, "\ufffd"), IDs: quarantineIDs(in), ReceivedAt: at, Status: QuarantineOpen, UpdatedAt: at,
	}
	if d := in.Defaults; d != nil {
		q.DefaultType, q.ReceivedAt = d.Type, d.ReceivedAt.UTC().Truncate(time.Millisecond)
		q.SentAt, q.Context, q.Integrations, q.GPC, q.Historical = d.SentAt, d.Context, d.Integrations, d.GPC, d.Historical
	}
	q.because(in.Err)
	return q
}

func (q *QuarantineItem) because(err *core.Error) {
	if err == nil {
		return
	}
	q.Code, q.Reason, q.Message, q.Path = err.Code, err.Reason, strings.ToValidUTF8(err.Message, "\ufffd"), nil
	for _, p := range err.Path {
		q.Path = append(q.Path, strings.ToValidUTF8(p, "\ufffd"))
	}
}

// quarantineIDs lists what the payload says about who it is, bounded.
func quarantineIDs(in *Input) []string {
	var out []string
	for _, id := range [...][2]string{
		{"userId", in.UserID}, {"anonymousId", in.AnonymousID}, {"previousId", in.PreviousID},
		{"email", strings.ToLower(strings.TrimSpace(in.email()))},
	} {
		if id[1] != "" && len(id[1]) <= MaxID {
			out = append(out, id[0]+"/"+id[1])
		}
	}
	return out
}

// email returns the address in the traits or in context.traits of a payload,
// whatever else is wrong with it.
func (in *Input) email() string {
	if e := Text(in.Traits, "email"); e != "" {
		return e
	}
	for _, path := range [...][]string{{"traits", "email"}, {"context", "traits", "email"}} {
		if e := plainText(member(in.Raw, path...)); e != "" && strings.IndexByte(e, 0) < 0 {
			return e
		}
	}
	return ""
}

// member returns the JSON text at a path of objects, nil when there is none.
func member(text []byte, path ...string) []byte {
	for _, key := range path {
		s := newScanner(text)
		text = nil
		if s.space() == '{' {
			_ = s.eachMember(func(k []byte, from, to int) {
				if string(k) == key {
					text = s.src[from:to]
				}
			})
		}
		s.free()
	}
	return text
}

// QuarantineOp returns the operation that keeps an input aside. It conflicts when
// the payload is kept already: see QuarantineOps.
func QuarantineOp(ws, source string, in *Input, at time.Time) store.Op {
	return Quarantine.Insert(NewQuarantineItem(ws, source, in, at))
}

// Aside is an input to be kept aside, and where it came from.
type Aside struct {
	Source string
	Input  *Input
}

// QuarantineOps returns the operations that keep inputs aside, one for each
// payload that is not kept yet. Two processes that meet the same payload at once
// may both get one; the loser's conflict goes away when it asks again.
func (s *Service) QuarantineOps(ctx context.Context, ws string, list []Aside, at time.Time) ([]store.Op, error) {
	if len(list) == 0 {
		return nil, nil
	}
	keys := make([]string, len(list))
	for i, a := range list {
		keys[i] = QuarantineKey(ws, a.Source, a.Input.Raw)
	}
	have, err := Quarantine.GetMany(ctx, s.db, keys)
	if err != nil {
		return nil, outward(err)
	}
	var ops []store.Op
	seen := make(map[string]bool, len(list))
	for i, a := range list {
		if have[i] == nil && !seen[keys[i]] {
			seen[keys[i]] = true
			q := NewQuarantineItem(ws, a.Source, a.Input, at)
			more, err := s.claimed(ctx, ws, a.Input)
			if err != nil {
				return nil, outward(err)
			}
			q.IDs = merged(q.IDs, more)
			ops = append(ops, Quarantine.Insert(q))
		}
	}
	return ops, nil
}
