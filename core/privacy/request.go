package privacy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Handling is what a Desk did about a request, step by step.
type Handling struct {
	VerifiedHow     string       `bson:"verifiedHow,omitempty"` // how the identity was checked; never what was shown
	VerifiedAt      *time.Time   `bson:"verifiedAt,omitempty"`
	ExtensionReason string       `bson:"extensionReason,omitempty"` // the person is told it
	Refusal         string       `bson:"refusal,omitempty"`         // the person is told it
	ClosingNote     string       `bson:"closingNote,omitempty"`
	ClosedBy        string       `bson:"closedBy,omitempty"`
	Purposes        []string     `bson:"purposes,omitempty"` // of a restriction or an objection; none are all
	Channel         string       `bson:"channel,omitempty"`  // of an objection
	Paths           []string     `bson:"paths,omitempty"`    // of the traits to be corrected
	Sealed          []byte       `bson:"sealed,omitempty"`   // details, while they are needed
	Files           []ExportFile `bson:"files,omitempty"`    // what was made for the person
	FilesUntil      *time.Time   `bson:"filesUntil,omitempty"`
	Sum             []byte       `bson:"sum,omitempty"` // keyed hash of what was asked: tells a repetition from another request under the same key
	ResumedAt       *time.Time   `bson:"resumedAt,omitempty"`
}

// details is what of a request may hold personal values. It is sealed, and dropped when
// the request is over.
type details struct {
	Identifier *event.Identifier `bson:"identifier,omitempty"`
	Traits     []byte            `bson:"traits,omitempty"` // BSON document: what the traits should say
	Add        *event.Identifier `bson:"add,omitempty"`    // as requests had it that named one at most
	// Adds and Release are identifiers that the person has, and those that are not theirs.
	Adds    []event.Identifier `bson:"adds,omitempty"`
	Release []event.Identifier `bson:"release,omitempty"`
}

// DeskKeys are the workspace's secrets that a Desk needs; *keyring.Ring has them.
type DeskKeys interface {
	MAC(ctx context.Context, workspace, name string, data []byte) ([]byte, error)
	Pseudonym(ctx context.Context, workspace, kind, value string) (string, error)
	Seal(ctx context.Context, workspace string, plain, aad []byte) ([]byte, error)
	Open(ctx context.Context, workspace string, sealed, aad []byte) ([]byte, error)
	Sign(ctx context.Context, workspace, use string, claims any, expires time.Time) (string, error)
	Verify(ctx context.Context, workspace, use, token string, claims any, now time.Time) error
}

// ObjectionWord is a person's no to some purposes, to be written into the ledger of
// consents.
type ObjectionWord struct {
	Workspace string
	ProfileID string
	Purpose   string
	Channel   string // "" is every channel
	Request   string // dsr_…: also the idempotency key, with the purpose
}

// Notice tells a destination that something about a person changed here.
type Notice struct {
	Subject  Subject
	Type     RequestType // RECTIFICATION, RESTRICTION or OBJECTION
	Purposes []string    // none are all
	Traits   []byte      // BSON document of what a rectification corrected
	Resumed  bool        // a restriction ended
	// Released are identifiers that a rectification took from the person: they are another's,
	// or nobody's, and go where they stand under this person.
	Released []event.Identifier
}

// Informed is a Destination that takes notices. One that is none is not told: its task
// waits for a person.
type Informed interface {
	// Inform passes the notice on. The same Subject.Request told again is the same
	// notice. An error is tried again.
	Inform(ctx context.Context, n Notice) (Answer, error)
}

// DeskOptions are what a Desk is made of. What is not optional is said to be nil-able.
type DeskOptions struct {
	Store     store.Store
	Clock     core.Clock
	Keys      DeskKeys
	Committer event.Committer
	Events    *event.Service
	Profiles  *profile.Service
	Consent   *consent.Service
	Segments  *segment.Service // nil: no automated logic is told
	Objects   *object.Service  // nil: there are no object types
	Audit     *audit.Log
	Jobs      *work.Jobs
	Runner    *work.Runner
	Specs     func() []*store.Spec // of the whole server: what an export walks
	Logger    *slog.Logger         // default slog.Default()
	// Object writes an objection into the ledger of consents, and returns its entry.
	Object func(ctx context.Context, o ObjectionWord) (entry string, err error)
	// Destinations returns where data of a workspace's people goes; nil: nowhere.
	Destinations func(ctx context.Context, workspace string) ([]Destination, error)
	// Recipients tells who gets data of people, for exports and records, beside
	// Destinations; nil: nobody. See RecipientsFrom.
	Recipients func(ctx context.Context, workspace string) ([]Recipient, error)
	// Read tells which categories of data somebody may read for a purpose; nil: all.
	Read func(ctx context.Context, workspace, purpose string) (map[core.Category]bool, error)
	// Erasure erases people who were not seen for long, and knows legal holds and
	// residuals; nil in tests of something else.
	Erasure *Service
	// Messages tells what rules about messages delete; nil: nothing.
	Messages Messages
}

// Desk takes the requests of data subjects and answers them; erasure itself is a
// Service's. It is safe for concurrent use.
type Desk struct {
	o        DeskOptions
	counting *sync.Mutex // see countConsents
}

// The kinds of the jobs and tasks of a Desk.
const (
	JobAnswer      = "privacy.answer" // does what a verified request asks for
	taskTell       = "privacy.tell"   // tells the destinations
	targetSubject  = "the person"     // is to be told
	nameHandled    = "Privacy Request Updated"
	nameCorrected  = "Profile Rectified"
	useDownload    = "download"
	secretRequests = "privacy-requests"
)

// NewDesk returns a desk, which handles its jobs and tasks with the runner.
func NewDesk(o DeskOptions) *Desk {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	d := &Desk{o: o, counting: &sync.Mutex{}}
	o.Jobs.HandleLasting(JobAnswer, work.JobHandlerFunc(d.answer), 2)
	o.Jobs.Handle(JobRetention, work.JobHandlerFunc(d.retain), 1)
	o.Runner.Handle(taskRetention, work.Kind{Handler: work.HandlerFunc(d.daily), Attempts: -1})
	o.Runner.Handle(taskTell, work.Kind{Handler: work.HandlerFunc(d.tell), Attempts: -1})
	o.Runner.Handle(exportSweep, work.Kind{Handler: d.files().Sweeper(nil)})
	return d
}

// DeskSpecs lists the collections of a Desk beside those of Specs.
func DeskSpecs() []*store.Spec {
	return []*store.Spec{exports.Chunks.Spec, Controllers.Spec, Records.Spec, Rules.Spec, consentCounts.Spec}
}

// now is the present, to the store's precision.
func (d *Desk) now() time.Time { return d.o.Clock.Now().UTC().Truncate(time.Millisecond) }
