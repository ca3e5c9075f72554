package journey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// What becomes of those inside when a version is published.
const (
	InsidePin     = "PIN"     // they go on in theirs
	InsideDrain   = "DRAIN"   // they leave at their next step, with nothing more sent
	InsideMigrate = "MIGRATE" // they go on in the new one, at the node that the map says
)

// CreateInput describes a new journey.
type CreateInput struct {
	Name           string
	Description    string
	Tags           []string
	Definition     any    // as decoded JSON
	Approval       bool   // its versions are published only with the approval of somebody else
	Pilot          *int64 // percent; nil: everybody
	DryRun         bool   `json:"-"` // only checks the definition
	IdempotencyKey string
}

// Create makes a journey with its first version, which nobody enters before it is
// published. What is wrong with the definition comes as Faults below "definition".
func (s *Service) Create(ctx context.Context, ws string, in CreateInput) (*Journey, []condition.Warning, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, nil, err
	}
	name := strings.TrimSpace(in.Name)
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return nil, nil, core.Errorf(core.Invalid, "NAME", "the name of a journey has 1 to %d bytes, in one line", maxName).At("name")
	}
	sum, err := sumOf(in)
	if err != nil {
		return nil, nil, err
	}
	at := s.now()
	id := core.NewID(core.PrefixJourney, at)
	if in.IdempotencyKey != "" {
		id = IDFor(ws, in.IdempotencyKey)
		old, err := s.Journey(ctx, ws, id)
		if err != nil {
			return nil, nil, err
		}
		if old != nil && old.Sum != sum {
			return nil, nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another journey; use a new one").At("idempotencyKey")
		}
		if old != nil {
			return old, nil, nil
		}
	}
	j := &Journey{
		Meta: store.Meta{ID: store.Key(ws, id)}, Name: name, Description: in.Description, Tags: in.Tags, Mode: Draft, Latest: 1, Pilot: 100,
		Salt: id, Risky: in.Approval, CreatedAt: at, UpdatedAt: at, CreatedBy: actor(ctx), Sum: sum,
	}
	if in.Pilot != nil {
		j.Pilot = *in.Pilot
	}
	if j.Pilot < 0 || j.Pilot > 100 {
		return nil, nil, core.Errorf(core.Invalid, "PILOT", "a pilot is 0 to 100 percent of people").At("pilot")
	}
	v, warnings, err := s.draft(ctx, ws, id, 1, in.Definition)
	if err != nil || in.DryRun {
		return nil, warnings, err
	}
	ops, err := s.recorded(ctx, ws, "journey.create", id, map[string]string{"hash": v.Hash}, Journeys.Insert(j), Versions.Insert(v))
	if err != nil {
		return nil, nil, err
	}
	if err := s.commit(ctx, ops); err != nil && !errors.Is(err, store.ErrConflict) {
		return nil, nil, storeError("write the journey", err)
	}
	j, err = s.Journey(ctx, ws, id)
	return j, warnings, err
}

const maxName = 200

func sumOf(in CreateInput) (string, error) {
	in.IdempotencyKey = ""
	raw, err := json.Marshal(in)
	if err != nil {
		return "", core.Errorf(core.Invalid, "DEFINITION", "the definition is not JSON").At("definition").Wrap(err)
	}
	h := sha256.Sum256(raw)
	return hex.EncodeToString(h[:16]), nil
}

// draft checks a definition and makes a version of it.
func (s *Service) draft(ctx context.Context, ws, id string, number int64, definition any) (*Version, []condition.Warning, error) {
	voc, err := s.Words(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	d, faults, warnings := Check(definition, voc, Options{Self: id, Now: s.now()})
	if len(faults) == 0 {
		faults, err = s.readable(ctx, ws, d, true)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(faults) > 0 {
		return nil, nil, under("definition", faults)
	}
	for i, w := range warnings {
		warnings[i].Path = append([]string{"definition"}, w.Path...)
	}
	text, err := MarshalJSON(d)
	if err != nil {
		return nil, nil, err
	}
	if len(text) > MaxDefinition {
		return nil, nil, core.Errorf(core.Invalid, condition.ReasonTooLong, "a definition has at most %d bytes, and this one %d; split it into journeys that start each other", MaxDefinition, len(text)).At("definition")
	}
	h := sha256.Sum256(text)
	return &Version{
		Meta: store.Meta{ID: versionKey(ws, id, number)}, Journey: id, Number: number, Definition: string(text), Hash: hex.EncodeToString(h[:]),
		Author: actor(ctx), CreatedAt: s.now(),
	}, warnings, nil
}

// under puts faults below a key of the input.
func under(key string, faults []*core.Error) Faults {
	out := make(Faults, len(faults))
	for i, e := range faults {
		out[i] = e.At(key)
	}
	return out
}

// readable refuses conditions that rest on data which the caller may not read; carried asks the
// same of what placeholders carry elsewhere.
func (s *Service) readable(ctx context.Context, ws string, d *Definition, carried bool) ([]*core.Error, error) {
	var faults []*core.Error
	ask := func(n *condition.Node, path ...string) error {
		if n == nil {
			return nil
		}
		err := s.Segments.MayAsk(ctx, ws, n, true)
		if core.CodeOf(err) == core.Forbidden {
			faults = append(faults, core.AsError(err).At(path...))
			return nil
		}
		return err
	}
	if err := errors.Join(ask(d.ExitWhen, "exitWhen"), ask(d.Goal, "goal")); err != nil {
		return nil, err
	}
	if carried {
		g, err := s.Profiles.Gate(ctx, ws)
		if err != nil {
			return nil, err
		}
		if !g.Clear() {
			faults = append(faults, d.sendsAll()...)
		}
	}
	for i, n := range d.Nodes {
		at := []string{"nodes", strconv.Itoa(i), "step", n.Step.Kind()}
		var list []*condition.Node
		for _, a := range n.Step.Branch {
			list = append(list, a.Where)
		}
		list = append(list, n.Step.Goal)
		if e := n.Step.Entry; e != nil && e.Event != nil {
			list = append(list, &condition.Node{Event: e.Event})
		} else if e != nil && e.Object != nil {
			list = append(list, &condition.Node{Object: e.Object})
		} else if e != nil && e.Date != nil {
			list = append(list, &condition.Node{Trait: e.Date})
		}
		if w := n.Step.Wait; w != nil && w.Event != nil {
			list = append(list, &condition.Node{Event: w.Event})
		}
		if w := n.Step.Wait; w != nil && w.Trait != "" {
			list = append(list, traitOf(w.Trait))
		}
		if w := n.Step.Wait; w != nil && w.Best != nil {
			list = append(list, &condition.Node{Prediction: &condition.Predicate{Path: predict.BestHour, Operators: exists()}})
		}
		if carried {
			list = append(list, n.carries(d)...)
		}
		for _, one := range list {
			if err := ask(one, at...); err != nil {
				return nil, err
			}
		}
	}
	return faults, nil
}

// Save stores a new version of a journey, to be published. What was asked or agreed of the
// versions before is void.
func (s *Service) Save(ctx context.Context, ws, id string, definition any, edit Edit) (*Journey, *Version, []condition.Warning, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, nil, nil, err
	}
	for try := 0; ; try++ {
		j, err := s.Journey(ctx, ws, id)
		switch {
		case err != nil:
			return nil, nil, nil, err
		case j == nil:
			return nil, nil, nil, errNoJourney
		case j.Mode == Archived:
			return nil, nil, nil, errMode(j, "changed")
		case edit.ExpectedVersion != nil && *edit.ExpectedVersion != j.V:
			return nil, nil, nil, core.Errorf(core.Conflict, "VERSION", "the journey is at version %d now; read it again and change that", j.V).At("expectedVersion")
		}
		v, warnings, err := s.draft(ctx, ws, id, j.Latest+1, definition)
		if err != nil || edit.DryRun {
			return j, v, warnings, err
		}
		if last, err := s.Version(ctx, ws, id, j.Latest); err != nil || last != nil && last.Hash == v.Hash {
			return j, last, warnings, err // the same again
		}
		void, err := s.Access.VoidOps(ctx, ws, subjectOf(id, j.Latest))
		if err != nil {
			return nil, nil, nil, err
		}
		j.Latest, j.UpdatedAt = v.Number, s.now()
		ops, err := s.recorded(ctx, ws, "journey.save", id, map[string]string{"hash": v.Hash}, append(void, Journeys.Replace(j), Versions.Insert(v))...)
		if err != nil {
			return nil, nil, nil, err
		}
		if err := s.commit(ctx, ops); errors.Is(err, store.ErrConflict) && try < maxChanges {
			continue
		} else if err != nil {
			return nil, nil, nil, storeError("write the version", err)
		}
		j, err = s.Journey(ctx, ws, id)
		return j, v, warnings, err
	}
}

// subjectOf names a version to those who approve.
func subjectOf(id string, number int64) string { return id + "." + strconv.FormatInt(number, 10) }

// PublishInput says which version people are to enter by.
type PublishInput struct {
	ID      string
	Number  int64              // 0: the latest; an older one rolls back to it
	Inside  string             // "" is PIN
	NodeMap map[string]*string // of MIGRATE: from → to; nil leaves; nodes with the same id need none
	Edit
}

// Published is what came, or would come, of publishing.
type Published struct {
	Journey  *Journey
	Version  *Version
	Approval *access.Approval // it waits for: nothing was published
	Job      string           // that moves those inside
	Inside   []Inside         // those inside now, by version and node
}

// Inside is how many people stand at a node of a version, and what becomes of them.
type Inside struct {
	Version int64
	Node    string
	Count   int64
	To      string // the node of the new version at which they go on; "" with Goes STAYS or LEAVES
	Goes    string // STAYS, MOVES or LEAVES
}

// Publish lets people enter by a version from now on. A journey that asks for approval is
// published once somebody else has approved of just this version; until then the request
// waits. With DryRun nothing is done, and Inside says who is where.
func (s *Service) Publish(ctx context.Context, ws string, in PublishInput) (*Published, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	if in.Inside == "" {
		in.Inside = InsidePin
	}
	if !slices.Contains([]string{InsidePin, InsideDrain, InsideMigrate}, in.Inside) {
		return nil, core.Errorf(core.Invalid, "INSIDE", "those inside PIN, DRAIN or MIGRATE").At("inside")
	}
	j, err := s.Journey(ctx, ws, in.ID)
	if err != nil {
		return nil, err
	}
	if j == nil {
		return nil, errNoJourney
	}
	if in.Number == 0 {
		in.Number = j.Latest
	}
	v, err := s.Version(ctx, ws, in.ID, in.Number)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, core.Errorf(core.NotFound, "JOURNEY_VERSION", "the journey has no version %d", in.Number).At("version")
	}
	// What it names may have gone since it was saved.
	if err := s.again(ctx, ws, v); err != nil {
		return nil, err
	}
	out := &Published{Journey: j, Version: v}
	if out.Inside, err = s.inside(ctx, ws, j, v, in); err != nil {
		return nil, err
	}
	if in.DryRun {
		return out, nil
	}
	if j.Risky {
		ok, err := s.Access.Approved(ctx, subjectOf(in.ID, v.Number), v.Hash)
		if err != nil {
			return nil, err
		}
		if !ok {
			out.Approval, err = s.Access.RequestApproval(ctx, subjectOf(in.ID, v.Number), v.Hash)
			return out, err
		}
	}
	var job *work.Job
	out.Journey, err = s.change(ctx, ws, in.ID, in.Edit, "journey.publish", func(j *Journey) ([]store.Op, error) {
		if j.Mode == Archived {
			return nil, errMode(j, "published")
		}
		now := s.now()
		next := *v
		if next.PublishedAt.IsZero() {
			next.PublishedAt, next.PublishedBy = now, actor(ctx)
		}
		next.Inside = in.Inside
		ops, err := s.namesSecrets(ctx, ws, v)
		if err != nil {
			return nil, err
		}
		ops = append(ops, Versions.Replace(&next))
		j.Entry = v.Number
		if j.Mode != Paused {
			j.Mode = Live
		}
		j.Leaves = slices.DeleteFunc(j.Leaves, func(n int64) bool { return n == v.Number })
		if in.Inside == InsideDrain {
			for n := int64(1); n <= j.Latest; n++ {
				if n != v.Number && !slices.Contains(j.Leaves, n) {
					j.Leaves = append(j.Leaves, n)
				}
			}
		}
		if in.Inside == InsideMigrate {
			var more []store.Op
			if job, more, err = s.Jobs.Prepare(ctx, migrateKind, ws, migrateInput{Journey: in.ID, To: v.Number, Map: flat(in.NodeMap)}, ""); err != nil {
				return nil, err
			}
			ops = append(ops, more...)
		}
		return ops, nil
	})
	if err != nil {
		return nil, err
	}
	if job != nil {
		out.Job = job.JobID()
	}
	out.Version, err = s.Version(ctx, ws, in.ID, v.Number)
	return out, err
}

// again checks a stored version against what there is now.
func (s *Service) again(ctx context.Context, ws string, v *Version) error {
	voc, err := s.Words(ctx, ws)
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(v.Definition))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return err
	}
	if _, faults, _ := Check(tree, voc, Options{Publish: true, Self: v.Journey, Now: s.now()}); len(faults) > 0 {
		return under("definition", faults)
	}
	return nil
}

// flat makes the map storable: "" is to leave.
func flat(m map[string]*string) map[string]string {
	out := map[string]string{}
	for from, to := range m {
		if to != nil {
			out[from] = *to
		} else {
			out[from] = ""
		}
	}
	return out
}

// inside counts who stands where, and says what becomes of them; a map that leads nowhere
// is refused.
func (s *Service) inside(ctx context.Context, ws string, j *Journey, to *Version, in PublishInput) ([]Inside, error) {
	target, err := s.compiled(to)
	if err != nil {
		return nil, err
	}
	versions, err := s.published(ctx, ws, j.JourneyID())
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var out []Inside
	for _, number := range sortedKeys(versions) {
		stats, err := s.Stats(ctx, ws, versions[number])
		if err != nil {
			return nil, err
		}
		for _, n := range stats.Nodes {
			known[n.Node] = true
			if number == to.Number || n.Inside <= 0 {
				continue
			}
			one := Inside{Version: number, Node: n.Node, Count: n.Inside, Goes: "STAYS"}
			switch in.Inside {
			case InsideDrain:
				one.Goes = "LEAVES"
			case InsideMigrate:
				if one.To = target.placeOf(n.Node, in.NodeMap); one.To != "" {
					one.Goes = "MOVES"
				} else if _, said := in.NodeMap[n.Node]; said {
					one.Goes = "LEAVES"
				}
			}
			out = append(out, one)
		}
	}
	if faults := checkNodeMap(known, target, in.NodeMap); len(faults) > 0 {
		return nil, Faults(faults)
	}
	return out, nil
}

// placeOf returns the node at which somebody goes on who stands at a node of another
// version; "" for none.
func (p *Program) placeOf(node string, m map[string]*string) string {
	if to, said := m[node]; said {
		if to == nil {
			return ""
		}
		return *to
	}
	if p.nodes[node] != nil {
		return node
	}
	return ""
}

// decided takes part in the decision on a version: an access.DecisionFunc. Its author does
// not approve of it.
func (s *Service) decided(ctx context.Context, a *access.Approval) ([]store.Op, func(), error) {
	id, number, ok := strings.Cut(a.SubjectID, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return nil, nil, core.Errorf(core.Internal, "INTERNAL", "an approval of no version")
	}
	ws := store.WorkspaceOf(a.ID)
	v, err := s.Version(ctx, ws, id, n)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case v == nil || v.Hash != a.ContentHash:
		return nil, nil, core.Errorf(core.Conflict, "CONTENT_CHANGED", "this is not what the approval was asked for; ask again").At("id")
	case a.Status == access.ApprovalApproved:
		family, err := s.Access.Family(ctx, ws)
		if err != nil {
			return nil, nil, err
		}
		if family.Same(actor(ctx), v.Author) || family.Same(v.Author, actor(ctx)) {
			return nil, nil, core.Errorf(core.Forbidden, "OWN_CHANGE", "who made the version does not approve of it, nor does a key that they made or rotated; somebody else does").At("id")
		}
	}
	v.Approval = a.ApprovalID
	return []store.Op{Versions.Replace(v)}, nil, nil
}
