package loyalty

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Kind says what an entry of the points ledger does.
type Kind string

// The kinds.
const (
	Earned  Kind = "EARNED"
	Spent   Kind = "SPENT"
	Expired Kind = "EXPIRED"
	Tiered  Kind = "TIER" // a tier was reached or lost: no points
)

// The names of the system events that the ledger is folded from. The properties of the
// first three are points (a whole number above 0), reason, reference and, of the first,
// expiresAt; of the last from, to (keys of tiers, "" for none) and direction (UP or DOWN).
const (
	NamePointsEarned  = "Points Earned"
	NamePointsSpent   = "Points Spent"
	NamePointsExpired = "Points Expired"
	NameTierChanged   = "Tier Changed"
)

var kindOf = map[string]Kind{NamePointsEarned: Earned, NamePointsSpent: Spent, NamePointsExpired: Expired, NameTierChanged: Tiered}

// Entry is one line of a person's ledger: the fold of one event.
type Entry struct {
	store.Meta `bson:",inline"` // key: workspace/evt_…
	Part       string           `bson:"part"` // prof_…
	Kind       Kind             `bson:"kind"`
	Points     int64            `bson:"points,omitempty"` // above 0, of what was spent and what expired too
	At         time.Time        `bson:"at"`               // of the commit
	Seq        int64            `bson:"seq"`              // of the event in its profile: orders what was committed at one time
	ExpiresAt  time.Time        `bson:"expiresAt,omitempty"`
	Reason     string           `bson:"reason,omitempty"`
	Reference  string           `bson:"reference,omitempty"`
	Tier       string           `bson:"tier,omitempty"` // of a TIER: the key of what was reached
}

// EntryID returns the id of the entry: that of its event, evt_….
func (e *Entry) EntryID() string { return store.Rest(e.ID) }

// Lot is what is left of points that expire at one time.
type Lot struct {
	ExpiresAt time.Time `bson:"x,omitempty"` // zero: never
	Points    int64     `bson:"p"`
}

// Day is what was earned on one day, UTC.
type Day struct {
	Day    int64 `bson:"d"` // since 1970-01-01
	Points int64 `bson:"p"`
}

// Told is the tier that a part was last told of.
type Told struct {
	Part string    `bson:"p"`
	Tier string    `bson:"t"` // "" is none
	At   time.Time `bson:"a"`
}

// Account is one person's points: the fold of the entries of all parts.
type Account struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Lots       []Lot            `bson:"lots,omitempty"` // sorted: those that expire first; that which never does, last
	Debt       int64            `bson:"debt,omitempty"` // spent beyond what there was: only after a merge was taken back
	Earned     int64            `bson:"earned"`         // ever
	Days       []Day            `bson:"days,omitempty"` // sorted; of the last keepDays
	Told       []Told           `bson:"told,omitempty"` // sorted by part
	Shard      int64            `bson:"shard"`
	Due        time.Time        `bson:"due,omitempty"` // when the sweep must look; zero: never
}

// ProfileID returns the id of the profile whose account it is.
func (a *Account) ProfileID() string { return store.Rest(a.ID) }

// Balance returns how many points can be spent at an instant. It is below 0 only where
// a merge was taken back after the points of both had been spent.
func (a *Account) Balance(now time.Time) int64 {
	if a == nil {
		return 0
	}
	n := -a.Debt
	for _, l := range a.Lots {
		if !l.over(now) {
			n += l.Points
		}
	}
	return n
}

// Expiring returns the lots that are good at an instant and have an end, the first to
// end first.
func (a *Account) Expiring(now time.Time) []Lot {
	if a == nil {
		return nil
	}
	var out []Lot
	for _, l := range a.Lots {
		if !l.ExpiresAt.IsZero() && !l.over(now) {
			out = append(out, l)
		}
	}
	return out
}

// over reports whether the lot has expired at an instant.
func (l Lot) over(now time.Time) bool { return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt) }

// guard makes those exclude each other who take points from one account, or move it.
type guard struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	N          int64            `bson:"n"`
}

// invitation is the code by which a person invites others.
type invitation struct {
	store.Meta `bson:",inline"` // key: workspace/CODE
	Profile    string           `bson:"profile"`
	At         time.Time        `bson:"at"`
}

// invited says that somebody has followed an invitation.
type invited struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Inviter    string           `bson:"inviter"`
	At         time.Time        `bson:"at"`
}

// The collections of points. Accounts and entries are folded from events.
var (
	Accounts = store.Declare[Account](store.Spec{
		Name: "loyalty_accounts", Derived: true, Subject: "_id",
		Data:    map[string]core.Category{"*": core.Transaction},
		Indexes: []store.Index{store.On("shard", "due").WithFewTies()},
	})
	Entries = store.Declare[Entry](store.Spec{
		Name: "points_entries", Derived: true, Subject: "part",
		Data:    map[string]core.Category{"*": core.Transaction},
		Indexes: []store.Index{store.On("part", "-seq").WithFewTies()},
	})
	guards = store.Declare[guard](store.Spec{
		Name: "loyalty_guards", Subject: "_id", Data: map[string]core.Category{"*": core.Transaction},
	})
	programs    = store.Declare[Program](store.Spec{Name: "loyalty_programs"})
	invitations = store.Declare[invitation](store.Spec{
		Name: "loyalty_invitations", Subject: "profile",
		Data:    map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("profile").WithFewTies()},
	})
	inviteds = store.Declare[invited](store.Spec{
		Name: "loyalty_invited", Subject: "_id", Data: map[string]core.Category{"*": core.Behaviour},
	})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{
		Pools.Spec, Coupons.Spec, assignments.Spec, Accounts.Spec, Entries.Spec, guards.Spec, programs.Spec, invitations.Spec, inviteds.Spec,
	}
}
