package profile

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Identifier says which part a normalised value belongs to. It is written once and
// never changes; a release takes it away. A process that remembers one looks whether the
// profile still lists it.
type Identifier struct {
	store.Meta `bson:",inline"` // key: workspace/namespace:value
	Part       string           `bson:"part"`
	At         time.Time        `bson:"at"`  // commit time of the event that brought it
	Seq        int64            `bson:"seq"` // of that event
	Event      string           `bson:"event"`
}

// Part says which profile a part belongs to now.
type Part struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Profile    string           `bson:"profile"`
}

// Merge is an edge between two parts that makes two profiles one, until it is
// undone. The edges of a profile that are not undone form a tree over its parts.
type Merge struct {
	store.Meta `bson:",inline"` // key: workspace/mrg_…
	WinnerID   string           `bson:"winnerId"` // prof_…: the profile that stayed
	LoserID    string           `bson:"loserId"`  // prof_…: the profile that went
	WinnerPart string           `bson:"winnerPart"`
	LoserPart  string           `bson:"loserPart"`
	Parts      []string         `bson:"parts"` // both parts, for the index
	Reason     string           `bson:"reason"`
	Rule       string           `bson:"rule"` // RuleIdentifiers, RuleAlias, RuleManual or RuleProposal
	Actor      string           `bson:"actor,omitempty"`
	At         time.Time        `bson:"at"`
	Seq        int64            `bson:"seq"`
	UndoneAt   *time.Time       `bson:"undoneAt,omitempty"`
	UndoneSeq  int64            `bson:"undoneSeq,omitempty"`
	UndoneBy   string           `bson:"undoneBy,omitempty"`
}

// What joined two profiles.
const (
	RuleIdentifiers = "IDENTIFIERS" // one event named identifiers of both
	RuleAlias       = "ALIAS"       // an alias event
	RuleManual      = "MANUAL"      // a person
	RuleProposal    = "PROPOSAL"    // a person who accepted a proposal
)

// Proposal is a link between two people that a rule would not make by itself and
// that waits for a person. There is at most one per pair.
type Proposal struct {
	store.Meta `bson:",inline"` // key: workspace/prop_…, the hash of both parts
	Parts      []string         `bson:"parts"`          // two, sorted: the profiles as they were, each a part for ever
	Status     ProposalStatus   `bson:"status"`         //
	Reason     string           `bson:"reason"`         // EXCLUSIVE, LIMIT, TOO_MANY_PARTS, PROFILE_TOO_LARGE or SIMILAR
	Namespace  string           `bson:"namespace"`      // of EXCLUSIVE and LIMIT; "" else
	Event      string           `bson:"event"`          // evt_… that linked them; "" of SIMILAR
	Likeness   *Likeness        `bson:"like,omitempty"` // of SIMILAR
	At         time.Time        `bson:"at"`
	DecidedAt  *time.Time       `bson:"decidedAt,omitempty"`
	DecidedBy  string           `bson:"decidedBy,omitempty"`
}

// ProposalStatus says what became of a proposal.
type ProposalStatus string

// The statuses of a proposal.
const (
	Pending  ProposalStatus = "PENDING"
	Accepted ProposalStatus = "ACCEPTED" // merged by a decision on it
	Rejected ProposalStatus = "REJECTED" // rules leave the pair alone for ever
	Obsolete ProposalStatus = "OBSOLETE" // merged without it
)

// Separation keeps two groups of parts apart that an unmerge parted: no rule and
// no alias joins a profile that holds a part of one side to a profile that holds a
// part of the other. A person may; it comes back into force if that is undone.
type Separation struct {
	store.Meta `bson:",inline"` // key: workspace/sep_…, the hash of the merge's id
	Merge      string           `bson:"merge"` // mrg_… that was undone
	A          []string         `bson:"a"`     // the parts on the winner's side
	B          []string         `bson:"b"`
	Parts      []string         `bson:"parts"` // both, for the index
	At         time.Time        `bson:"at"`
}

// The collections of identity. All are primary: with the events they are what a
// profile is folded from.
var (
	Identifiers = store.Declare[Identifier](store.Spec{
		Name: "identifiers", Subject: "part",
		Data:    map[string]core.Category{"_id": core.IdentifierID},
		Indexes: []store.Index{store.On("part")},
	})
	Parts = store.Declare[Part](store.Spec{
		Name: "parts", Subject: "_id",
		Data: map[string]core.Category{"_id": core.None},
	})
	Merges = store.Declare[Merge](store.Spec{
		Name: "merges", Subject: "parts", Reach: store.ReachFinder, // they stay, without their words
		Data:    map[string]core.Category{"reason": core.FreeText},
		Indexes: []store.Index{store.On("parts[]", "-at")},
	})
	Proposals = store.Declare[Proposal](store.Spec{
		Name: "proposals", Subject: "parts",
		Data:    map[string]core.Category{"parts": core.None},
		Indexes: []store.Index{store.On("status", "-at"), store.On("parts[]")},
	})
	Separations = store.Declare[Separation](store.Spec{
		Name: "separations", Subject: "parts",
		Data:    map[string]core.Category{"parts": core.None},
		Indexes: []store.Index{store.On("parts[]")},
	})
)

// Specs lists the collections that this package reads and writes, those of the
// event log aside.
func Specs() []*store.Spec {
	return []*store.Spec{
		Profiles.Spec, Identifiers.Spec, Parts.Spec, Merges.Spec,
		Proposals.Spec, Separations.Spec, Releases.Spec, Settings.Spec, Erasures.Spec,
	}
}

// MergeID returns the merge's id without its workspace.
func (m *Merge) MergeID() string { return store.Rest(m.ID) }

// ProposalID returns the proposal's id without its workspace.
func (p *Proposal) ProposalID() string { return store.Rest(p.ID) }

func identifierKey(ws string, id event.Identifier) string {
	return ws + "/" + id.Namespace + ":" + id.Value
}

// identifierOf reads the namespace and value out of a key. A namespace has no
// colon.
func identifierOf(key string) event.Identifier {
	rest := store.Rest(key)
	for i := range len(rest) {
		if rest[i] == ':' {
			return event.Identifier{Namespace: rest[:i], Value: rest[i+1:]}
		}
	}
	return event.Identifier{}
}

func separationID(merge string) string { return core.HashID(core.PrefixSeparation, merge) }

// proposalKey is the same for both orders of the pair.
func proposalKey(ws, a, b string) string {
	if b < a {
		a, b = b, a
	}
	return store.Key(ws, core.HashID(core.PrefixProposal, ws, a, b))
}
