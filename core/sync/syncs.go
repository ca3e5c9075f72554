package sync

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// MinEvery is the shortest time between two runs, DefaultEvery that of a sync that does not say.
const (
	MinEvery     = time.Second
	DefaultEvery = 5 * time.Minute
)

// SyncInput describes a sync. Its Meta, Number and times are ignored.
type SyncInput struct {
	Sync
	Edit
}

func errSync() error {
	return core.Errorf(core.NotFound, "SYNC", "this workspace has no such sync").At("id")
}

// Sync returns a sync, or nil.
func (s *Service) Sync(ctx context.Context, ws, id string) (*Sync, error) {
	if core.IDPrefix(id) != core.PrefixSync {
		return nil, nil
	}
	y, err := Syncs.Get(ctx, s.Store, store.Key(ws, id))
	return y, storeError("read the sync", err)
}

func (s *Service) mustSync(ctx context.Context, ws, id string) (*Sync, error) {
	y, err := s.Sync(ctx, ws, id)
	if err == nil && y == nil {
		err = errSync()
	}
	return y, err
}

func syncQuery(ws, connection string) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"createdAt"}}
	if connection != "" {
		q.Where = []store.Cond{store.Eq("connection", connection)}
	}
	return q
}

// ListSyncs returns a window of the syncs, of one connection when it is named, in the order
// in which they were made.
func (s *Service) ListSyncs(ctx context.Context, ws, connection string, w core.Window) (store.Page[Sync], error) {
	return Syncs.Page(ctx, s.Store, syncQuery(ws, connection), w)
}

// CountSyncs returns how many ListSyncs lists.
func (s *Service) CountSyncs(ctx context.Context, ws, connection string) (int64, error) {
	return Syncs.Count(ctx, s.Store, syncQuery(ws, connection))
}

func (s *Service) syncsOf(ctx context.Context, ws, connection string) ([]*Sync, error) {
	list, err := Syncs.Find(ctx, s.Store, syncQuery(ws, connection), 0)
	return list, storeError("read the syncs", err)
}

// checkSync completes a sync and refuses what cannot run.
func (s *Service) checkSync(ctx context.Context, y *Sync, spec *Connector) error {
	var bad Problems
	fail := func(reason, member, format string, args ...any) {
		bad = append(bad, core.Errorf(core.Invalid, reason, format, args...).At(member))
	}
	var err error
	if y.Name, err = named(y.Name); err != nil {
		return err
	}
	if y.Kind == "" {
		y.Kind = Profiles
	}
	if y.Conflict == "" {
		y.Conflict = LatestWins
	}
	if y.Deletions == "" {
		y.Deletions = KeepDeleted
	}
	if y.Every == 0 {
		y.Every = DefaultEvery
	}
	if y.Every < MinEvery {
		fail("SCHEDULE", "every", "a sync runs every second at most")
	}
	if !slices.Contains(authorities, y.Conflict) {
		fail("CONFLICT_POLICY", "conflict", "a conflict policy is REMOTE_WINS, LOCAL_WINS or LATEST_WINS")
	}
	if y.Deletions != KeepDeleted && y.Deletions != DeleteDeleted {
		fail("DELETIONS", "deletions", "deletions are KEEP or DELETE")
	}
	if !slices.Contains([]Direction{Pull, Push, Both}, y.Direction) {
		fail("DIRECTION", "direction", "a direction is PULL, PUSH or BOTH")
	}
	need := map[string]bool{}
	switch y.Kind {
	case Profiles, Objects:
		need[CanPull], need[CanUpsert] = y.Direction.pulls(), y.Direction.pushes()
		if y.Stream == "" {
			fail("STREAM", "stream", "name the stream; the connection's streams list them")
		}
		if y.Kind == Objects {
			s.checkType(ctx, y, fail)
		}
	case List:
		need[CanLists] = true
		if y.Segment == "" || y.Stream == "" && y.List == "" {
			fail("LIST", "segmentId", "name the segment whose members go to the list, and the list or its id (stream)")
		}
	case Events:
		need[CanPull], need[CanForward] = y.Direction.pulls(), y.Direction.pushes()
		if y.Direction.pushes() && len(y.Names) == 0 {
			fail("EVENTS", "events", "name the events that are forwarded")
		}
		if y.Direction.pulls() && y.Stream == "" {
			fail("STREAM", "stream", "name the stream; the connection's streams list them")
		}
	case Costs:
		need[CanPull] = true
		s.checkCosts(y, fail)
	default:
		fail("KIND", "kind", "a sync carries PROFILES, OBJECTS, LIST, EVENTS or COSTS")
	}
	if y.Kind == List && y.Direction != Push {
		fail("DIRECTION", "direction", "lists are pushed")
	}
	if y.Kind == Costs && y.Direction != Pull {
		fail("DIRECTION", "direction", "costs are pulled")
	}
	if y.Kind == Events && y.Direction == Both {
		fail("DIRECTION", "direction", "events are pushed or pulled; make a sync for each")
	}
	for capability, needed := range need {
		if needed && !spec.Can(capability) {
			fail("CAPABILITY", "direction", "the connector %s cannot do this (%s)", spec.Name, capability)
		}
	}
	s.checkPurpose(ctx, y, fail)
	if y.Segment != "" && s.Segments != nil {
		if seg, err := s.Segments.Get(ctx, y.Workspace(), y.Segment); err != nil || seg == nil {
			fail("SEGMENT", "segmentId", "the workspace has no such segment")
		}
	}
	m, err := compileMap(y)
	if err != nil {
		var list Problems
		if errors.As(err, &list) {
			bad = append(bad, list...)
		} else {
			bad = append(bad, core.AsError(err))
		}
	}
	if m != nil && y.Kind != Events && len(m.fields) == 0 {
		fail("FIELDS", "fieldMap", "map one field at least")
	}
	if y.Match != "" && m != nil && !slices.ContainsFunc(m.fields, func(f mapped) bool { return f.Remote == y.Match }) {
		fail("MATCH", "match", "the field by which records are found must be mapped")
	}
	if y.Direction.pushes() && (y.Kind == Profiles || y.Kind == List) && y.Match == "" {
		fail("MATCH", "match", "name the vendor's field by which a record is found before its id is known, such as email")
	}
	return bad.orNil()
}

func (s *Service) checkType(ctx context.Context, y *Sync, fail func(reason, member, format string, args ...any)) {
	t, err := s.Objects.Type(ctx, y.Workspace(), y.Type)
	if err != nil || t == nil {
		fail("TYPE", "type", "the workspace has no object type with this key")
		return
	}
	for _, f := range y.Fields {
		if key, ok := strings.CutPrefix(f.Local, inFields); ok && t.Field(key) == nil {
			fail("LOCAL", "fieldMap", "the type %s has no field %s", y.Type, key)
		}
		if key, ok := strings.CutPrefix(f.Local, inRelations); ok && t.Relation(key) == nil {
			fail("LOCAL", "fieldMap", "the type %s has no relation %s", y.Type, key)
		}
	}
}

func (s *Service) checkPurpose(ctx context.Context, y *Sync, fail func(reason, member, format string, args ...any)) {
	if y.Direction.pushes() {
		r, err := s.Consent.Register(ctx, y.Workspace())
		switch {
		case y.Purpose == "":
			fail("PURPOSE", "purpose", "say for which purpose the data is handed over")
		case err != nil || r.Purpose(y.Purpose) == nil || r.Purpose(y.Purpose).Archived:
			fail("PURPOSE", "purpose", "the register has no such purpose in force")
		}
	}
	if y.Channel != "" && !slices.Contains(consent.Channels(), y.Channel) {
		fail("CHANNEL", "channel", "there is no such channel")
	}
	for _, c := range y.Categories {
		if !c.Valid() {
			fail("CATEGORY", "categories", "there is no such category of data")
		}
	}
}

// CreateSync makes a sync and starts it.
func (s *Service) CreateSync(ctx context.Context, ws string, in SyncInput) (*Sync, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	c, err := s.mustConnection(ctx, ws, in.Connection)
	if err != nil {
		return nil, core.AsError(err).At("connectionId")
	}
	spec := s.Connector(c.Connector)
	if spec == nil {
		return nil, core.Errorf(core.Conflict, "CONNECTOR", "the connector %s is not installed any more", c.Connector)
	}
	y := in.Sync
	y.Meta = store.Meta{ID: store.Key(ws, s.newID(ws, core.PrefixSync, in.IdempotencyKey))}
	if in.IdempotencyKey != "" {
		if have, err := Syncs.Get(ctx, s.Store, y.ID); err != nil || have != nil {
			return have, storeError("read the sync", err)
		}
	}
	if err := s.checkSync(ctx, &y, spec); err != nil {
		return nil, err
	}
	if err := s.checkFields(ctx, c, &y); err != nil {
		return nil, err
	}
	now := s.now()
	y.Number, y.CreatedAt, y.UpdatedAt, y.UpdatedBy = 1, now, now, actor(ctx)
	if in.DryRun {
		return &y, nil
	}
	ops := []store.Op{
		Syncs.Insert(&y), States.Insert(&State{Meta: store.Meta{ID: y.ID}}),
		work.Enqueue(work.Item{Kind: runKind, Workspace: ws, Name: y.SyncID(), DueAt: now}),
	}
	if y.Direction.pushes() && !c.Handed {
		c.Handed = true
		ops = append(ops, Connections.Replace(c))
	}
	entry := &audit.Entry{
		Workspace: ws, Action: "sync.create", Resource: y.SyncID(),
		Details: map[string]string{"connection": y.Connection, "direction": string(y.Direction), "purpose": y.Purpose},
	}
	if err := s.commit(ctx, entry, ops...); err != nil {
		return nil, storeError("create the sync", err)
	}
	y.V++
	s.Runner.Wake()
	return &y, nil
}

// UpdateSync replaces what f changes of a sync. A map that changed is carried out from the
// beginning by ResetSync only; until then it counts for what changes.
func (s *Service) UpdateSync(ctx context.Context, ws, id string, e Edit, f func(*Sync)) (*Sync, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		y, err := s.mustSync(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		if err := expected(y.Number, e); err != nil {
			return nil, err
		}
		c, err := s.mustConnection(ctx, ws, y.Connection)
		if err != nil {
			return nil, err
		}
		spec := s.Connector(c.Connector)
		if spec == nil {
			return nil, core.Errorf(core.Conflict, "CONNECTOR", "the connector %s is not installed any more", c.Connector)
		}
		was := *y
		f(y)
		if err := s.checkSync(ctx, y, spec); err != nil {
			return nil, err
		}
		if was.Stream != y.Stream || was.Kind != y.Kind || was.Direction != y.Direction || was.Match != y.Match || was.Type != y.Type || !reflect.DeepEqual(was.Fields, y.Fields) {
			if err := s.checkFields(ctx, c, y); err != nil {
				return nil, err
			}
		}
		y.Number++
		y.UpdatedAt, y.UpdatedBy = s.now(), actor(ctx)
		if e.DryRun {
			return y, nil
		}
		ops := []store.Op{Syncs.Replace(y)}
		if y.Direction.pushes() && !c.Handed {
			c.Handed = true
			ops = append(ops, Connections.Replace(c))
		}
		err = s.commit(ctx, &audit.Entry{Workspace: ws, Action: "sync.update", Resource: id, Details: map[string]string{"purpose": y.Purpose}}, ops...)
		if errors.Is(err, store.ErrConflict) && try < 20 {
			continue
		}
		if err != nil {
			return nil, storeError("change the sync", err)
		}
		y.V++
		return y, s.soon(ctx, ws, id)
	}
}

// DeleteSync forgets a sync with its dead letters. Links stay while another sync of the
// connection uses them.
func (s *Service) DeleteSync(ctx context.Context, ws, id string, e Edit) error {
	if err := connect(ctx); err != nil {
		return err
	}
	y, err := s.mustSync(ctx, ws, id)
	if err != nil {
		return err
	}
	if err := expected(y.Number, e); err != nil || e.DryRun {
		return err
	}
	return s.deleteSync(ctx, y)
}

// deleteSync deletes a sync, whatever its run commits meanwhile.
func (s *Service) deleteSync(ctx context.Context, y *Sync) error {
	err := s.insist(ctx, func() error { return s.deleteSyncOnce(ctx, y) })
	s.Runner.Wake()
	return storeError("delete the sync", err)
}

// insist does f again while a run that goes on beside it comes between.
func (s *Service) insist(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if !errors.Is(err, store.ErrConflict) || try == 50 {
			return err
		}
		if err := s.Clock.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *Service) deleteSyncOnce(ctx context.Context, y *Sync) error {
	ws := y.Workspace()
	ops := []store.Op{Syncs.Delete(y), work.Enqueue(work.Item{
		Kind: tidyKind, Workspace: ws, Name: y.SyncID(), DueAt: s.now(), Payload: tidy{Sync: y.SyncID()},
	})}
	st, err := States.Get(ctx, s.Store, y.ID)
	if err != nil {
		return storeError("read the sync", err)
	}
	if st != nil {
		ops = append(ops, States.Delete(st))
	}
	t, err := work.Find(ctx, s.Store, ws, runKind, y.SyncID())
	if err != nil {
		return storeError("read the sync", err)
	}
	if t != nil {
		ops = append(ops, work.Drop(t))
	}
	return s.commit(ctx, &audit.Entry{Workspace: ws, Action: "sync.delete", Resource: y.SyncID()}, ops...)
}

// begin starts the task that tidies up behind webhooks of a workspace, unless it is there.
func (s *Service) begin(ctx context.Context, ws string) {
	if err := work.Ensure(ctx, s.Store, work.Item{Kind: tidyKind, Workspace: ws, Name: "daily", DueAt: s.now().Add(time.Hour)}); err != nil {
		s.Logger.Warn("sync: start tidying", "error", err.Error())
	}
}
