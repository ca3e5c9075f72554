package object

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// inspection compares records with the narrowings of a change.
type inspection struct {
	t        *Type // as it is
	narrowed []narrowing
	checked  int64
	breaks   map[int]*Break // by narrowing; the first reason found speaks
	taken    map[int]map[[16]byte]string
}

func newInspection(t *Type, narrowed []narrowing) *inspection {
	return &inspection{t: t, narrowed: narrowed, breaks: map[int]*Break{}, taken: map[int]map[[16]byte]string{}}
}

// inspect walks the live records of the type.
func (s *Service) inspect(ctx context.Context, t *Type, in *inspection) error {
	return s.each(ctx, t, func(r *Record) error {
		in.look(r)
		return ctx.Err()
	})
}

// each calls f with each live record of the type.
func (s *Service) each(ctx context.Context, t *Type, f func(*Record) error) error {
	q := store.Query{Workspace: t.Workspace(), Where: []store.Cond{store.Prefix("_id", t.Key+"/")}}
	return Records.Each(ctx, s.o.Store, q, func(r *Record) error {
		if r.Deleted() {
			return nil
		}
		return f(r)
	})
}

func (in *inspection) look(r *Record) {
	in.checked++
	vals := in.t.values(r)
	for i := range in.narrowed {
		if err := in.breaksBy(i, r, vals); err != nil {
			in.note(i, r, err)
		}
	}
}

func (in *inspection) note(i int, r *Record, err *core.Error) {
	b := in.breaks[i]
	if b == nil {
		b = &Break{Path: in.narrowed[i].path, Reason: err.Reason, Message: err.Message}
		in.breaks[i] = b
	}
	if b.Count++; len(b.ExternalIDs) < examplesOfBreak {
		b.ExternalIDs = append(b.ExternalIDs, r.ExternalID)
	}
}

func (in *inspection) list() []Break {
	var out []Break
	for i := range in.narrowed {
		if b := in.breaks[i]; b != nil {
			out = append(out, *b)
		}
	}
	return out
}

// breaksBy says how a record is in the way of a narrowing; nil when it is not.
func (in *inspection) breaksBy(i int, r *Record, vals map[string]bson.RawValue) *core.Error {
	n := in.narrowed[i]
	switch {
	case n.link != "":
		count := 0
		for _, l := range r.LinksOf() {
			if l.Relation == n.link {
				count++
			}
		}
		if slices.Contains(n.path, "many") && count > 1 {
			return invalid("RELATION_SINGLE", "the record has several links of the relation")
		}
		if !slices.Contains(n.path, "many") && count > 0 {
			return invalid("RELATION_IN_USE", "the record has links of the relation")
		}
		return nil
	case n.field == nil:
		if _, has := vals[n.id]; has {
			return invalid("FIELD_HAS_VALUES", "the record has a value; clear it first, or deprecate the field")
		}
		return nil
	}
	f := n.field
	v, has := vals[f.ID]
	if !has {
		if f.Required && !f.Deprecated {
			return required(f)
		}
		return nil
	}
	if f.Many {
		v = asMany(v)
	}
	now, err := f.value(v)
	if err != nil {
		return err
	}
	if !sameValue(now, v) {
		return f.wrong(ReasonFieldFormat) // it would have to be written anew
	}
	if f.Claim == "" || in.t.fieldClaim(f.ID) == f.Claim {
		return nil
	}
	if in.taken[i] == nil {
		in.taken[i] = map[[16]byte]string{}
	}
	sum := claimSum(v)
	if _, dup := in.taken[i][sum]; dup {
		return notUnique(f)
	}
	in.taken[i][sum] = r.ID
	return nil
}

// fieldClaim returns the claim of the field as it is; "" when it is not unique.
func (t *Type) fieldClaim(id string) string {
	if f := fieldByID(t.Fields, id); f != nil {
		return f.Claim
	}
	return ""
}

func required(f *Field) *core.Error {
	return invalid(ReasonFieldRequired, "the field %s is required: %s is expected", f.Key, wants[f.Type])
}

func notUnique(f *Field) *core.Error {
	return core.Errorf(core.Conflict, ReasonFieldUnique, "the field %s is unique, and another record has this value", f.Key)
}

// claimKind is the kind of claim that a unique value is.
const claimKind = "record"

func claimSum(v bson.RawValue) [16]byte {
	sum := sha256.Sum256(append([]byte{byte(v.Type)}, v.Value...))
	return [16]byte(sum[:16])
}

// claimOf returns the claim of a unique value: a hash, so that no key holds what
// may be personal.
func claimOf(ws, typeKey, claim string, v bson.RawValue, owner string) *store.ClaimDoc {
	sum := claimSum(v)
	hash := strings.TrimPrefix(core.Unpack("", sum), "_")
	return &store.ClaimDoc{Meta: store.Meta{ID: store.Key(ws, claimKind, typeKey, claim, hash)}, Owner: owner}
}

// claimSlice is how many records are claimed for in one batch.
const claimSlice = 200

// claimAll claims the values of records that were written before a field was
// unique. Each claim checks its record, so that none outlives its value.
func (s *Service) claimAll(ctx context.Context, t *Type, in *inspection) error {
	for i := range in.narrowed {
		f := in.narrowed[i].field
		if f == nil || f.Claim == "" || t.fieldClaim(f.ID) == f.Claim {
			continue
		}
		var held []*Record
		flush := func() error {
			err := s.claimFor(ctx, in, i, held)
			held = held[:0]
			return err
		}
		err := s.each(ctx, t, func(r *Record) error {
			if held = append(held, r); len(held) < claimSlice {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// claimFor claims for records in one batch; after a lost race one by one, each read
// anew.
func (s *Service) claimFor(ctx context.Context, in *inspection, i int, records []*Record) error {
	err := s.claimBatch(ctx, in, i, records)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	for _, r := range records {
		err := s.retry(ctx, func() error {
			now, err := Records.Get(ctx, s.o.Store, r.ID)
			if err != nil || now == nil || now.Deleted() {
				return err
			}
			return s.claimBatch(ctx, in, i, []*Record{now})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) claimBatch(ctx context.Context, in *inspection, i int, records []*Record) error {
	f, t := in.narrowed[i].field, in.t
	var claims []*store.ClaimDoc
	var owners []*Record
	var keys []string
	for _, r := range records {
		v, has := t.values(r)[f.ID]
		if !has {
			continue
		}
		c := claimOf(t.Workspace(), t.Key, f.Claim, v, store.Rest(r.ID))
		claims, owners, keys = append(claims, c), append(owners, r), append(keys, c.ID)
	}
	known, err := store.Claims.GetMany(ctx, s.o.Store, keys)
	if err != nil {
		return err
	}
	var ops []store.Op
	for j, c := range claims {
		switch {
		case known[j] == nil:
			ops = append(ops, store.Claims.Insert(c), Records.Check(owners[j]))
		case known[j].Owner != c.Owner:
			in.note(i, owners[j], notUnique(f))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	_, err = s.o.Store.Commit(ctx, s.batch(ops))
	return err
}

// dropClaims deletes the claims of a field that is no longer unique. They are
// harmless: a field that becomes unique again claims anew, under another name.
func (s *Service) dropClaims(ctx context.Context, ws, typeKey, claim string) {
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", strings.Join([]string{claimKind, typeKey, claim, ""}, "/"))}}
	for {
		docs, err := store.Claims.Find(ctx, s.o.Store, q, 500)
		if err != nil || len(docs) == 0 {
			return
		}
		ops := make([]store.Op, len(docs))
		for i, d := range docs {
			ops[i] = store.Claims.Delete(d)
		}
		if _, err := s.o.Store.Commit(ctx, s.batch(ops)); err != nil {
			return
		}
	}
}
