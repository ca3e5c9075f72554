package profile

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// CorrectInput says which identifiers are not a person's, and which are.
type CorrectInput struct {
	ProfileID string
	Release   []event.Identifier // that the person holds here, and does not have
	Add       []event.Identifier // that the person has, and nobody holds here
	Reason    string             // for people; 1 to 500 bytes, not blank
	Request   string             // dsr_… that asks for it; "": none
	Key       string             // the same again changes nothing more; "": every call is new
	DryRun    bool
	// With returns what is committed together with the change; nil: nothing. It may be
	// called again when a race is lost.
	With func(c *Correction) ([]store.Op, error)
}

// Correction is what a Correct or a Restore did, or would do.
type Correction struct {
	Releases []*Release // made, or made before under the same key; those of a dry run have no id
	Restored []*Release // given back
	Added    []Held
	Profile  *Profile
	Traits   []string // paths of traits that say a released value still, sorted
	Bare     bool     // the person has no identifier left: found by the id of the profile alone
}

// MaxCorrected is how many identifiers one correction releases and adds together.
const MaxCorrected = 20

// Correct lets go of identifiers that are not a person's, and adds those that are, in
// one commit. A released identifier is free from then on: it finds nobody, and whom it
// is next seen with has it. No rule gives it back to the person, and none joins the
// person to who holds it. What was stored under it before stays with the person, and the
// traits as they are. An identifier to be added that the person let go of is given back.
//
// Errors: NOT_FOUND (PROFILE, ERASED); INVALID (REASON, IDENTIFIERS, IDENTIFIER,
// IDENTIFIER_NOT_HELD, IDENTIFIER_TAKEN, EXCLUSIVE, LIMIT, TOO_MANY_RELEASED); CONFLICT
// (IDEMPOTENCY_KEY_REUSED); UNAVAILABLE (BUSY). The path names the culprit.
func (s *Service) Correct(ctx context.Context, ws string, in CorrectInput) (*Correction, error) {
	in.Reason = strings.TrimSpace(in.Reason)
	switch n := len(in.Release) + len(in.Add); {
	case in.Reason == "" || len(in.Reason) > 500:
		return nil, core.Errorf(core.Invalid, "REASON", "say in 1 to 500 bytes why the identifier is not the person's").At("reason")
	case n == 0 || n > MaxCorrected:
		return nil, core.Errorf(core.Invalid, "IDENTIFIERS", "name 1 to %d identifiers that are to be released or added", MaxCorrected).At("release")
	}
	r, err := s.readRules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	if in.Release, err = r.normaliseAll(in.Release, "release"); err != nil {
		return nil, err
	}
	if in.Add, err = r.normaliseAll(in.Add, "add"); err != nil {
		return nil, err
	}
	for i, id := range in.Add {
		if slices.Contains(in.Release, id) {
			return nil, core.Errorf(core.Invalid, "IDENTIFIER", "one identifier is either released or added").At("add", strconv.Itoa(i))
		}
	}
	var out *Correction
	err = s.retry(ctx, ws, func() []string { return []string{in.ProfileID} }, func() error {
		c := &correcting{in: &in, out: &Correction{}}
		if c.u, err = s.correcting(ctx, r, ws, in.ProfileID, slices.Concat(in.Release, in.Add)); err != nil {
			return err
		}
		if c.p = c.u.profile(in.ProfileID); c.p == nil {
			if err := s.gone(ctx, ws, in.ProfileID); err != nil {
				return err
			}
			return core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
		}
		if err := c.correct(ctx, s); err != nil {
			return err
		}
		out = c.out
		return c.finish(ctx, s, in.DryRun, in.With)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r *rules) normaliseAll(ids []event.Identifier, path string) ([]event.Identifier, error) {
	out := make([]event.Identifier, 0, len(ids))
	for i, id := range ids {
		n, ok := r.normalise(id.Namespace, id.Value)
		if !ok || slices.Contains(out, n) {
			return nil, core.Errorf(core.Invalid, "IDENTIFIER", "this identifier can name nobody, or is named twice: give a namespace that is known and a value as it holds them").At(path, strconv.Itoa(i))
		}
		out = append(out, n)
	}
	return out, nil
}

// correcting reads a person and who holds the identifiers into a unit. It reads them
// from the store: what is remembered might be of before another process's change.
func (s *Service) correcting(ctx context.Context, r *rules, ws, id string, ids []event.Identifier) (*Unit, error) {
	u := s.newUnit(ws, r)
	keys := IdentifierKeys(ws, ids)
	for _, key := range keys {
		s.ids.Remove(key)
	}
	slices.Sort(keys)
	var parts []string
	if isPart(id) {
		parts = append(parts, id)
	}
	return u, u.load(ctx, keys, parts)
}

// correcting is one attempt at a correction.
type correcting struct {
	in  *CorrectInput
	u   *Unit
	p   *Profile
	out *Correction
}

func (c *correcting) correct(ctx context.Context, s *Service) error {
	for i, id := range c.in.Release {
		if err := c.release(ctx, s, i, id); err != nil {
			return err
		}
	}
	if len(c.p.Released) > MaxReleased {
		return core.Errorf(core.Invalid, "TOO_MANY_RELEASED", "a person lets go of at most %d identifiers; restore some first", MaxReleased).At("release")
	}
	for i, id := range c.in.Add {
		if err := c.add(ctx, s, id); err != nil {
			var e *core.Error
			if errors.As(err, &e) {
				err = core.Errorf(e.Code, e.Reason, "%s", e.Message).At("add", strconv.Itoa(i))
			}
			return err
		}
	}
	return c.again(ctx, s)
}

// release takes one identifier away.
func (c *correcting) release(ctx context.Context, s *Service, i int, id event.Identifier) error {
	u, key := c.u, identifierKey(c.u.ws, id)
	name := core.NewID(core.PrefixRelease, u.now)
	if c.in.Key != "" {
		name = core.HashID(core.PrefixRelease, "release", u.ws, c.in.Key, strconv.Itoa(i))
		old, err := Releases.Get(ctx, s.db, store.Key(u.ws, name))
		if err != nil {
			return err
		}
		if old != nil {
			if old.Named() != id || u.partOf[old.Part] != c.p.ProfileID() || old.Reason != c.in.Reason {
				return core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another release; use a new one").At("idempotencyKey")
			}
			c.out.Releases = append(c.out.Releases, old)
			return nil
		}
	}
	part, known := u.ids[key]
	if !known || u.partOf[part] != c.p.ProfileID() {
		return core.Errorf(core.Invalid, "IDENTIFIER_NOT_HELD", "the person does not hold this identifier; name one of those that the profile lists").At("release", strconv.Itoa(i))
	}
	doc, err := Identifiers.Get(ctx, s.db, key)
	if err != nil {
		return err
	}
	if doc == nil || doc.Part != part {
		return &store.ConflictError{Collection: Identifiers.Spec.Name, ID: name} // released meanwhile
	}
	r := &Release{
		Meta: store.Meta{ID: store.Key(u.ws, name)}, Part: part, Identifier: id.Namespace + ":" + id.Value,
		HeldAt: doc.At, HeldSeq: doc.Seq, HeldEvent: doc.Event,
		Reason: c.in.Reason, Request: c.in.Request, Actor: actor(ctx), At: later(u.now, c.p.UpdatedAt), Seq: c.p.Seq + 1,
	}
	next := *c.p
	next.Identifiers = slices.DeleteFunc(slices.Clone(c.p.Identifiers), func(h Held) bool { return h.Namespace == id.Namespace && h.Value == id.Value })
	next.Released = union(c.p.Released, []string{markOf(u.ws, id) + ":" + part})
	delete(u.ids, key)
	u.oldIDs, u.releases = append(u.oldIDs, doc), append(u.releases, r)
	c.out.Releases = append(c.out.Releases, r)
	c.out.Traits = tidy(append(c.out.Traits, next.saying(u.rules, id)...))
	c.p, err = u.note(&next, event.NameIdentifierReleased, "release:"+name, part, "releaseId", name, "namespace", id.Namespace, "reason", r.Reason)
	return err
}

// saying lists the paths of traits whose value is an identifier.
func (p *Profile) saying(r *rules, id event.Identifier) []string {
	var out []string
	for i := range p.Traits {
		if v, ok := p.Traits[i].Value.StringValueOK(); ok {
			if n, ok := r.normalise(id.Namespace, v); ok && n == id {
				out = append(out, p.Traits[i].Path)
			}
		}
	}
	return out
}

// add gives the person an identifier that nobody holds.
func (c *correcting) add(ctx context.Context, s *Service, id event.Identifier) error {
	u := c.u
	if part, known := u.ids[identifierKey(u.ws, id)]; known {
		if u.partOf[part] == c.p.ProfileID() {
			return nil
		}
		return core.Errorf(core.Invalid, "IDENTIFIER_TAKEN", "somebody else has this identifier; if both are one person, merge them")
	}
	if c.p.LetGo(id) {
		r, err := s.openRelease(ctx, c.p, id)
		if err != nil {
			return err
		}
		if r == nil {
			return &store.ConflictError{Collection: Releases.Spec.Name, ID: c.p.ID}
		}
		return c.restore(ctx, r, c.in.Reason)
	}
	if o := u.rules.room(c.p, []event.Identifier{id}); o != nil {
		return o.refusal()
	}
	part := c.p.ProfileID()
	if len(c.u.releases) > 0 {
		part = c.u.releases[0].Part // with what it is there for, should the parts be parted
	}
	props := []string{"namespace", id.Namespace, "reason", c.in.Reason}
	if c.in.Request != "" {
		props = append(props, "request", c.in.Request)
	}
	var err error
	p := u.attach(c.p, part, id)
	c.p, err = u.note(p, event.NameIdentifierAdded, "identifier:"+core.NewID("add", u.now), part, props...)
	if err != nil {
		return err
	}
	for _, h := range c.p.Identifiers {
		if h.Namespace == id.Namespace && h.Value == id.Value {
			c.out.Added = append(c.out.Added, h)
		}
	}
	return nil
}

func (o *obstacle) refusal() error {
	if o.reason == ReasonExclusive {
		return core.Errorf(core.Invalid, ReasonExclusive, "the person holds another value of %s, of which nobody has two; release that one with it", o.namespace)
	}
	return core.Errorf(core.Invalid, o.reason, "the person holds as many of %s as anybody may; release one with it", o.namespace)
}

// again folds in that whoever held what was added was erased before: nothing that was
// agreed to then holds.
func (c *correcting) again(ctx context.Context, s *Service) error {
	if s.tombs == nil || len(c.out.Added) == 0 {
		return nil
	}
	ids := make([]event.Identifier, len(c.out.Added))
	for i, h := range c.out.Added {
		ids[i] = event.Identifier{Namespace: h.Namespace, Value: h.Value}
	}
	times, err := s.tombs.Erased(ctx, c.u.ws, ids)
	if err != nil {
		return err
	}
	for i, at := range times {
		if at.IsZero() {
			continue
		}
		if c.u.suppressed, err = s.tombs.Suppressed(ctx, c.u.ws); err != nil {
			return err
		}
		if err := c.u.withdraw(c.out.Added[i].Part, at); err != nil {
			return err
		}
		c.p = c.u.profile(c.p.ProfileID())
	}
	return nil
}

// finish commits the attempt, unless it is a dry run or changes nothing.
func (c *correcting) finish(ctx context.Context, s *Service, dryRun bool, with func(*Correction) ([]store.Op, error)) error {
	c.out.Profile, c.out.Bare = c.p, len(c.p.Identifiers) == 0
	if dryRun {
		for _, r := range c.u.releases {
			if r.RestoredAt == nil {
				r.ID = ""
			}
		}
		return nil
	}
	if len(c.u.events) == 0 {
		return nil
	}
	var more []store.Op
	if with != nil {
		var err error
		if more, err = with(c.out); err != nil {
			return err
		}
	}
	return s.commitWith(ctx, c.u, more)
}

// note folds a system event into p, which was not yet taken into the unit, and adds it.
func (u *Unit) note(p *Profile, name, messageID, part string, pairs ...string) (*Profile, error) {
	props := properties(pairs...)
	sum := sha256.Sum256(append([]byte(name), props...))
	at := later(u.now, p.UpdatedAt)
	e := &event.Event{
		Meta: store.Meta{ID: event.SystemKey(u.ws, messageID)}, MessageID: messageID, Part: part,
		Type: event.System, Name: name, Timestamp: at, ReceivedAt: at, Source: SystemSource, Properties: props, Sum: sum[:16],
	}
	if err := u.fold(p, e); err != nil {
		return nil, err
	}
	u.events = append(u.events, e)
	u.record(e)
	return u.profile(p.ProfileID()), nil
}
