package consent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// What makes a transfer to another country lawful (chapter V GDPR).
const (
	TransferNone      = "NONE"      // none is needed, or none was named
	TransferAdequacy  = "ADEQUACY"  // article 45
	TransferClauses   = "CLAUSES"   // standard contractual clauses, article 46(2)
	TransferRules     = "RULES"     // binding corporate rules, article 47
	TransferException = "EXCEPTION" // article 49
)

// Transfers lists them.
func Transfers() []string {
	return []string{TransferNone, TransferAdequacy, TransferClauses, TransferRules, TransferException}
}

// Processor is somebody to whom data goes: a vendor with whom there is an agreement.
type Processor struct {
	store.Meta        `bson:",inline"` // key: workspace/prc_…; its version is the processor's
	Name              string           `bson:"name"`
	Country           string           `bson:"country"`              // ISO 3166
	Purposes          []string         `bson:"purposes,omitempty"`   // keys: it works for these and their children
	Categories        []core.Category  `bson:"categories,omitempty"` // of the data that it gets
	Agreement         string           `bson:"agreement,omitempty"`  // where the agreement is found; "" is none
	AgreementSignedOn *time.Time       `bson:"signedOn,omitempty"`
	AgreementExpires  *time.Time       `bson:"expires,omitempty"` // nil: never
	TransferMechanism string           `bson:"transfer,omitempty"`
	Archived          bool             `bson:"archived,omitempty"`
	UpdatedAt         time.Time        `bson:"updatedAt"`
	UpdatedBy         string           `bson:"updatedBy"`
}

// ProcessorID returns its id, prc_….
func (p *Processor) ProcessorID() string { return store.Rest(p.ID) }

var processors = store.Declare[Processor](store.Spec{Name: "processors"})

// maxProcessors is how many a workspace has.
const maxProcessors = 1000

// Processors lists the processors, sorted by id, which is by when they were entered.
func (s *Service) Processors(ctx context.Context, ws string) ([]*Processor, error) {
	found, err := processors.Find(ctx, s.Store, store.Query{Workspace: ws}, maxProcessors)
	return found, storeError("read the processors", err)
}

// Processor returns one by its id, or nil.
func (s *Service) Processor(ctx context.Context, ws, id string) (*Processor, error) {
	if core.IDPrefix(id) != core.PrefixProcessor || len(id) > 64 {
		return nil, nil
	}
	p, err := processors.Get(ctx, s.Store, store.Key(ws, id))
	return p, storeError("read the processor", err)
}

// SetProcessor enters a processor, or with id replaces what is known of one. A key makes
// the entry of a new one repeatable.
func (s *Service) SetProcessor(ctx context.Context, ws, id, key string, p Processor, edit Edit) (*Processor, error) {
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	if e := p.check(r); e != nil {
		return nil, e
	}
	if len(key) > maxEvidence {
		return nil, core.Errorf(core.Invalid, "IDEMPOTENCY_KEY", "an idempotency key has at most 200 bytes").At("idempotencyKey")
	}
	made := id == ""
	if made {
		id = core.NewID(core.PrefixProcessor, s.now())
		if key != "" {
			id = core.HashID(core.PrefixProcessor, ws, key)
		}
	}
	return s.changeProcessor(ctx, ws, id, made, "processor.set", edit, func(old *Processor) {
		archived := old.Archived
		meta := old.Meta
		*old = p
		old.Meta, old.Archived = meta, archived
	})
}

// ArchiveProcessor ends the work with a processor, or takes it up again.
func (s *Service) ArchiveProcessor(ctx context.Context, ws, id string, archive bool, edit Edit) (*Processor, error) {
	return s.changeProcessor(ctx, ws, id, false, "processor.archive", edit, func(p *Processor) { p.Archived = archive })
}

func (s *Service) changeProcessor(ctx context.Context, ws, id string, fresh bool, action string, edit Edit, f func(*Processor)) (*Processor, error) {
	var out *Processor
	err := retry(ctx, "write the processor", func() error {
		old, err := s.Processor(ctx, ws, id)
		if err != nil {
			return err
		}
		if old == nil {
			if !fresh {
				return core.Errorf(core.NotFound, "PROCESSOR", "there is no processor with this id").At("id")
			}
			old = &Processor{Meta: store.Meta{ID: store.Key(ws, id)}}
		}
		if edit.ExpectedVersion != nil && *edit.ExpectedVersion != old.V {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the processor has version %d, not %d; read it and try again", old.V, *edit.ExpectedVersion).At("expectedVersion")
		}
		next := *old
		f(&next)
		if out = old; old.V > 0 && next.same(old) {
			return nil
		}
		out = &next
		if next.UpdatedAt, next.UpdatedBy = s.now(), actor(ctx); edit.DryRun {
			return nil
		}
		ops, err := s.audited(ctx, Trace{Workspace: ws, Action: action, Resource: id, Decision: core.Allow}, processors.Put(&next))
		if err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		out, err = s.Processor(ctx, ws, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (p *Processor) same(o *Processor) bool {
	time := func(t *time.Time) int64 {
		if t == nil {
			return -1
		}
		return t.UnixMilli()
	}
	return p.Name == o.Name && p.Country == o.Country && slices.Equal(p.Purposes, o.Purposes) && slices.Equal(p.Categories, o.Categories) &&
		p.Agreement == o.Agreement && time(p.AgreementSignedOn) == time(o.AgreementSignedOn) && time(p.AgreementExpires) == time(o.AgreementExpires) &&
		p.TransferMechanism == o.TransferMechanism && p.Archived == o.Archived
}

func (p *Processor) check(r *Register) *core.Error {
	switch {
	case strings.TrimSpace(p.Name) == "" || len(p.Name) > maxText:
		return core.Errorf(core.Invalid, "PROCESSOR_NAME", "give the processor a name of at most %d bytes", maxText).At("name")
	case Country(p.Country) != p.Country || len(p.Country) != 2:
		return core.Errorf(core.Invalid, "COUNTRY", "a country is a code such as DE").At("country")
	case len(p.Purposes) > maxPurposes || len(p.Categories) > 50:
		return core.Errorf(core.Invalid, "TOO_MANY", "name each purpose and category once").At("purposes")
	case len(p.Agreement) > maxText:
		return core.Errorf(core.Invalid, "AGREEMENT", "say where the agreement is found, in at most %d bytes", maxText).At("agreement")
	case p.Agreement == "" && (p.AgreementSignedOn != nil || p.AgreementExpires != nil):
		return core.Errorf(core.Invalid, "AGREEMENT", "an agreement that was signed is found somewhere: say where").At("agreement")
	case p.Agreement != "" && p.AgreementSignedOn == nil:
		return core.Errorf(core.Invalid, "AGREEMENT", "say when the agreement was signed").At("agreementSignedOn")
	case p.AgreementExpires != nil && !p.AgreementExpires.After(*p.AgreementSignedOn):
		return core.Errorf(core.Invalid, "AGREEMENT", "an agreement expires later than it was signed").At("agreementExpires")
	case !slices.Contains(Transfers(), p.TransferMechanism):
		return core.Errorf(core.Invalid, "TRANSFER", "what makes the transfer lawful is one of %s", strings.Join(Transfers(), ", ")).At("transferMechanism")
	}
	for _, key := range p.Purposes {
		if r.Purpose(key) == nil {
			return errNoPurpose("purposes")
		}
	}
	return nil
}

// ProcessorAllowed returns nil when data may go to a processor for a purpose now:
// there is an agreement that is in force, and it covers the purpose or an ancestor of
// it. Anything else, an error of the store too, is a no. The error is FORBIDDEN with the
// reason PROCESSOR_UNKNOWN, PROCESSOR_ARCHIVED, AGREEMENT_MISSING, AGREEMENT_NOT_BEGUN,
// AGREEMENT_EXPIRED or PROCESSOR_PURPOSE.
func (s *Service) ProcessorAllowed(ctx context.Context, ws, id, purpose string) error {
	p, err := s.Processor(ctx, ws, id)
	if err != nil {
		return err
	}
	r, err := s.Register(ctx, ws)
	if err != nil {
		return err
	}
	now := s.now()
	switch {
	case p == nil:
		return core.Errorf(core.Forbidden, "PROCESSOR_UNKNOWN", "enter in the register of processors who gets this data")
	case p.Archived:
		return core.Errorf(core.Forbidden, "PROCESSOR_ARCHIVED", "the work with this processor has ended")
	case p.Agreement == "":
		return core.Errorf(core.Forbidden, "AGREEMENT_MISSING", "nothing is exported to a processor without an agreement")
	case now.Before(*p.AgreementSignedOn):
		return core.Errorf(core.Forbidden, "AGREEMENT_NOT_BEGUN", "the agreement with this processor is not yet in force")
	case p.AgreementExpires != nil && !now.Before(*p.AgreementExpires):
		return core.Errorf(core.Forbidden, "AGREEMENT_EXPIRED", "the agreement with this processor has expired")
	case !slices.ContainsFunc(r.Chain(purpose), func(key string) bool { return slices.Contains(p.Purposes, key) }):
		return core.Errorf(core.Forbidden, "PROCESSOR_PURPOSE", "this processor does not work for the purpose")
	}
	return nil
}
