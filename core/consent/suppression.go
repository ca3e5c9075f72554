package consent

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Why nothing is sent to somebody.
const (
	SuppressHardBounce  = "HARD_BOUNCE" // the address does not exist
	SuppressComplaint   = "COMPLAINT"   // marked as spam
	SuppressUnsubscribe = "UNSUBSCRIBE" // asked elsewhere: at another sender, on paper
	SuppressManual      = "MANUAL"
	SuppressErasure     = "ERASURE"   // was erased, and stays away
	SuppressStopWord    = "STOP_WORD" // answered STOP
)

// SuppressionReasons lists them.
func SuppressionReasons() []string {
	return []string{SuppressHardBounce, SuppressComplaint, SuppressUnsubscribe, SuppressManual, SuppressErasure, SuppressStopWord}
}

// Suppression says that nothing is sent to an identifier over a channel. It is about
// the address, whoever holds it, and whatever they agreed to. The identifier is kept as
// a keyed hash only: the list can be asked, not read, and it outlives the erasure of the
// person, whose wish it is not to hear again.
type Suppression struct {
	store.Meta `bson:",inline"` // key: workspace/sup_…
	Namespace  string           `bson:"namespace"`
	MAC        string           `bson:"mac"`     // of the identifier, hex
	Channel    string           `bson:"channel"` // "" is every channel
	Reason     string           `bson:"reason"`
	Source     string           `bson:"source,omitempty"` // where it was learned: "import of 2026-03", "mailer"
	Actor      string           `bson:"actor"`
	At         time.Time        `bson:"at"`
	ExpiresAt  *time.Time       `bson:"expiresAt,omitempty"`
	Lifted     bool             `bson:"lifted"`
	LiftedAt   *time.Time       `bson:"liftedAt,omitempty"`
	LiftedBy   string           `bson:"liftedBy,omitempty"`
	LiftReason string           `bson:"liftReason,omitempty"`
}

// SuppressionID returns its id, sup_…. The same identifier, channel and reason have the
// same one.
func (s *Suppression) SuppressionID() string { return store.Rest(s.ID) }

// Holds reports whether it holds at an instant.
func (s *Suppression) Holds(now time.Time) bool {
	return !s.Lifted && (s.ExpiresAt == nil || now.Before(*s.ExpiresAt))
}

var suppressions = store.Declare[Suppression](store.Spec{
	Name: "suppressions", Reach: store.ReachNobody, // keyed hashes, which must outlive the person
	Data: map[string]core.Category{"reason": core.Consent},
	Indexes: []store.Index{
		store.On("lifted", "-at"), store.On("lifted", "channel", "-at"), store.On("lifted", "reason", "-at"),
		store.On("lifted", "channel", "reason", "-at"),
	},
})

// suppressionSecret names the secret of the keyed hashes.
const suppressionSecret = "suppressions"

// mac returns the keyed hash of an identifier in its normal form.
func (s *Service) mac(ctx context.Context, ws string, id event.Identifier) (string, error) {
	sum, err := s.Tokens.MAC(ctx, ws, suppressionSecret, []byte(id.Namespace+"\x00"+id.Value))
	return hex.EncodeToString(sum), err
}

func suppressionKey(ws, namespace, mac, channel, reason string) string {
	return store.Key(ws, core.HashID(core.PrefixSuppression, namespace, mac, channel, reason))
}

// keysOf lists the keys under which an identifier may be suppressed over channels.
func (s *Service) keysOf(ctx context.Context, ws string, id event.Identifier, channels []string) ([]string, error) {
	n, ok, err := s.People.Normal(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errIdentifier
	}
	mac, err := s.mac(ctx, ws, n)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, channel := range channels {
		for _, reason := range SuppressionReasons() {
			keys = append(keys, suppressionKey(ws, n.Namespace, mac, channel, reason))
		}
	}
	return keys, nil
}

var errIdentifier = core.Errorf(core.Invalid, "IDENTIFIER", "this identifier can name nobody: its namespace is unknown, or its value is none").At("identifier")

// Suppressed reports whether nothing may be sent over a channel to somebody with the
// identifiers, and the suppression that says so. Every hand-off asks it. An error is a
// yes: what cannot be looked up is not sent to, and neither is nobody.
func (s *Service) Suppressed(ctx context.Context, ws, channel string, ids []event.Identifier) (Suppression, bool, error) {
	if e := checkChannel(channel); e != nil {
		return Suppression{}, true, e
	}
	if len(ids) == 0 {
		return Suppression{}, true, core.Errorf(core.Invalid, "WHO", "name the identifiers that something would be sent to")
	}
	channels := []string{""}
	if channel != "" {
		channels = append(channels, channel)
	}
	for _, id := range ids {
		keys, err := s.keysOf(ctx, ws, id, channels)
		if err != nil {
			return Suppression{}, true, err
		}
		found, err := suppressions.GetMany(ctx, s.Store, keys)
		if err != nil {
			return Suppression{}, true, storeError("read the suppressions", err)
		}
		for _, sup := range found {
			if sup != nil && sup.Holds(s.now()) {
				return *sup, true, nil
			}
		}
	}
	return Suppression{}, false, nil
}

// SuppressionFilter chooses suppressions.
type SuppressionFilter struct {
	Identifier *event.Identifier
	Channel    *string // "" is those for every channel
	Reason     string
	Lifted     bool // those that were lifted instead of the others
}

func (f SuppressionFilter) query(ws string) store.Query {
	where := []store.Cond{store.Eq("lifted", f.Lifted)}
	if f.Channel != nil {
		where = append(where, store.Eq("channel", *f.Channel))
	}
	if f.Reason != "" {
		where = append(where, store.Eq("reason", f.Reason))
	}
	return store.Query{Workspace: ws, Where: where, Order: []string{"-at"}}
}

// Suppressions returns a window of the list, the latest first; expired ones among them.
func (s *Service) Suppressions(ctx context.Context, ws string, f SuppressionFilter, w core.Window) (store.Page[Suppression], error) {
	if f.Identifier == nil {
		page, err := suppressions.Page(ctx, s.Store, f.query(ws), w)
		return page, storeError("read the suppressions", err)
	}
	list, err := s.suppressionsOf(ctx, ws, f)
	if err != nil {
		return store.Page[Suppression]{}, err
	}
	return pageOf(list, (*Suppression).SuppressionID, w)
}

// CountSuppressions returns how many Suppressions lists.
func (s *Service) CountSuppressions(ctx context.Context, ws string, f SuppressionFilter) (int64, error) {
	if f.Identifier == nil {
		n, err := suppressions.Count(ctx, s.Store, f.query(ws))
		return n, storeError("count the suppressions", err)
	}
	list, err := s.suppressionsOf(ctx, ws, f)
	return int64(len(list)), err
}

func (s *Service) suppressionsOf(ctx context.Context, ws string, f SuppressionFilter) ([]*Suppression, error) {
	channels := append([]string{""}, Channels()...)
	if f.Channel != nil {
		channels = []string{*f.Channel}
	}
	keys, err := s.keysOf(ctx, ws, *f.Identifier, channels)
	if err != nil {
		return nil, err
	}
	found, err := suppressions.GetMany(ctx, s.Store, keys)
	list := slices.DeleteFunc(found, func(sup *Suppression) bool {
		return sup == nil || sup.Lifted != f.Lifted || f.Reason != "" && sup.Reason != f.Reason
	})
	slices.SortFunc(list, func(a, b *Suppression) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, storeError("read the suppressions", err)
}

// Suppression returns one by its id, or nil.
func (s *Service) Suppression(ctx context.Context, ws, id string) (*Suppression, error) {
	if core.IDPrefix(id) != core.PrefixSuppression || len(id) > 64 {
		return nil, nil
	}
	found, err := suppressions.Get(ctx, s.Store, store.Key(ws, id))
	return found, storeError("read the suppression", err)
}
