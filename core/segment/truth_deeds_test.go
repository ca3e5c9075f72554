package segment_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// deed is one thing that happens. All else that it needs follows from its seed and
// from what there is when it happens.
type deed struct {
	kind string
	seed uint64
	with string // what another process does between this one's reads and its commit; "" nothing
}

// deeds is how often each thing happens.
var deeds = []struct {
	kind   string
	weight int
}{
	{"events", 9}, {"identify", 4}, {"consent", 2}, {"link", 2}, {"merge", 2}, {"unmerge", 2}, {"record", 3}, {"delete", 1},
	{"join", 2}, {"leave", 1}, {"system", 2}, {"time", 8}, {"create", 1}, {"update", 2}, {"archive", 1}, {"restore", 1}, {"work", 2}, {"check", 1},
}

// betweens are what may come between.
var betweens = []string{"events", "events", "identify", "merge", "unmerge", "record", "join", "update", "create", "sweep", "link", "system"}

func plan(w *world, n int) []deed {
	total := 0
	for _, d := range deeds {
		total += d.weight
	}
	out := make([]deed, 0, n)
	for range n {
		x := w.r.IntN(total)
		i := 0
		for x >= deeds[i].weight {
			x -= deeds[i].weight
			i++
		}
		d := deed{kind: deeds[i].kind, seed: w.r.Uint64()}
		if len(w.procs) > 1 && w.r.IntN(3) == 0 {
			d.with = betweens[w.r.IntN(len(betweens))]
		}
		out = append(out, d)
	}
	return out
}

// do does a deed by one process.
func (w *world) do(p *process, kind string) {
	switch kind {
	case "events":
		w.events(p)
	case "identify":
		w.may(segment.CauseEvent)
		in := event.Input{Type: event.Identify, UserID: w.user(), Traits: w.traits(), Timestamp: w.when()}
		w.ingest(p, in)
	case "consent":
		w.may(segment.CauseEvent, segment.CauseConsent)
		prefs := bson.D{{Key: []string{"marketing", "analytics"}[w.r.IntN(2)], Value: w.r.IntN(2) == 0}}
		ctx, err := bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: prefs}}}})
		w.must(err, "encode")
		name := []string{"Order", "Nothing", "Nothing"}[w.r.IntN(3)]
		w.ingest(p, event.Input{Type: event.Track, Name: name, UserID: w.user(), Context: ctx, Timestamp: w.when()})
	case "link":
		// An anonymous device becomes somebody's, by rule.
		w.may(segment.CauseEvent, segment.CauseMerge)
		anon := fmt.Sprintf("a%d", w.r.IntN(4))
		if w.r.IntN(2) == 0 {
			e := w.r.History(4).Events
			for _, e := range e {
				if !e.System {
					w.ingest(p, event.Input{Type: event.Track, Name: e.Name, AnonymousID: anon, Properties: e.Properties, Timestamp: e.At})
				}
			}
			return
		}
		w.merged = true
		w.ingest(p, event.Input{Type: event.Identify, UserID: w.user(), AnonymousID: anon, Traits: w.traits(), Timestamp: w.when()})
	case "merge":
		w.merge(p)
	case "unmerge":
		w.unmerge(p)
	case "record":
		w.record(p)
	case "delete":
		w.may(segment.CauseEvent)
		f := p.objects.Delete
		if w.r.IntN(3) == 0 {
			f = p.objects.Restore
		}
		_, err := f(w.ctx, truthWS, w.objectType(), []string{w.external()})
		w.answered(err, "delete")
	case "join", "leave":
		w.may(segment.CauseDefinition)
		f := p.segments.AddToList
		if kind == "leave" {
			f = p.segments.RemoveFromList
		}
		_, err := f(w.ctx, truthWS, w.list, []segment.ListItem{{Identifier: event.Identifier{Namespace: profile.UserID, Value: w.user()}}})
		w.answered(err, kind)
	case "system":
		w.system(p)
	case "time", "sweep":
		w.may(segment.CauseTime)
		for range 3 { // as the tasks come by again for who lost a race
			w.must(p.segments.SweepNow(w.ctx, truthWS), "sweep")
		}
	case "create":
		w.create(p)
	case "update":
		w.update(p)
	case "archive", "restore":
		w.retire(p, kind == "archive")
	case "check":
		if what := w.rebuildable(p); what != "" {
			panic(failure(what))
		}
	case "work":
		w.may(segment.CauseDefinition, segment.CauseTime)
		w.work(w.meanwhile)
	}
	w.note("%s", kind)
}

// answered demands that a call succeeded or was refused.
func (w *world) answered(err error, what string) bool {
	if err != nil && !refused(err) {
		panic(failure(what + ": " + err.Error()))
	}
	if err != nil {
		w.sum.refused++
	}
	return err == nil
}

func (w *world) user() string { return fmt.Sprintf("u%d", w.r.IntN(4)) }

// when is mostly now.
func (w *world) when() time.Time {
	if w.r.IntN(3) == 0 {
		return w.r.Now()
	}
	return w.clock.Now()
}

func (w *world) traits() bson.Raw {
	doc := w.r.Document()
	var d bson.D
	w.must(bson.Unmarshal(doc, &d), "decode")
	d = slices.DeleteFunc(d, func(bson.E) bool { return w.r.IntN(3) == 0 })
	if w.r.IntN(5) == 0 && len(d) > 0 {
		d[w.r.IntN(len(d))].Value = nil // cleared
	}
	switch w.r.IntN(6) {
	case 0:
		d = append(d, bson.E{Key: "timezone", Value: w.r.Zone.String()})
	case 1:
		d = append(d, bson.E{Key: "timezone", Value: []any{nil, "Europe/Nowhere", "Asia/Tokyo", 5}[w.r.IntN(4)]})
	}
	raw, err := bson.Marshal(d)
	w.must(err, "encode")
	return raw
}

// ingest sends events together.
func (w *world) ingest(p *process, inputs ...event.Input) {
	w.units += len(inputs) // at most
	for i := range inputs {
		if inputs[i].MessageID == "" {
			w.ids++
			inputs[i].MessageID = fmt.Sprintf("m%d", w.ids)
			inputs[i].Timestamp = inputs[i].Timestamp.UTC().Truncate(time.Millisecond)
		}
		inputs[i].Seal(w.clock.Now())
	}
	results, err := p.pipeline.Ingest(w.ctx, truthWS, "src_web", inputs)
	w.must(err, "ingest")
	for i, r := range results {
		switch r.Status {
		case event.Accepted:
			w.sent = append(w.sent, inputs[i])
		case event.Duplicate:
			w.sum.duplicates++
		default:
			panic(failure(fmt.Sprintf("an event was not taken: %s %v", r.Status, r.Err)))
		}
	}
}

// events sends some, of several people, late, early, at one instant, once more.
func (w *world) events(p *process) {
	w.may(segment.CauseEvent)
	var inputs []event.Input
	for _, e := range w.r.History(4).Events {
		if e.System {
			continue
		}
		in := event.Input{Type: event.Track, Name: e.Name, UserID: w.user(), Properties: e.Properties, Timestamp: e.At}
		if w.r.IntN(2) == 0 {
			in.Timestamp = w.clock.Now()
		}
		inputs = append(inputs, in)
	}
	if len(w.sent) > 0 && w.r.IntN(3) == 0 {
		again := w.sent[w.r.IntN(len(w.sent))]
		if again.Type == event.Track && again.Context == nil && again.UserID != "" {
			inputs = append(inputs, again)
		}
	}
	if len(inputs) > 0 {
		w.ingest(p, inputs...)
	}
}

func (w *world) people() []*profile.Profile {
	list, err := profile.Profiles.Find(w.ctx, w.db, store.Query{Workspace: truthWS}, 0)
	w.must(err, "read profiles")
	return list
}

func (w *world) merge(p *process) {
	list := w.people()
	if len(list) < 2 {
		return
	}
	w.may(segment.CauseMerge)
	i := w.r.IntN(len(list))
	j := (i + 1 + w.r.IntN(len(list)-1)) % len(list)
	_, err := p.people.Merge(w.ctx, truthWS, profile.MergeInput{WinnerID: list[i].ProfileID(), LoserID: list[j].ProfileID(), Reason: "test"})
	w.answered(err, "merge")
	w.merged = true
}

func (w *world) unmerge(p *process) {
	merges, err := profile.Merges.Find(w.ctx, w.db, store.Query{Workspace: truthWS}, 0)
	w.must(err, "read merges")
	merges = slices.DeleteFunc(merges, func(m *profile.Merge) bool { return m.UndoneAt != nil })
	if len(merges) == 0 {
		return
	}
	w.may(segment.CauseMerge)
	_, err = p.people.Unmerge(w.ctx, truthWS, profile.UnmergeInput{MergeID: merges[w.r.IntN(len(merges))].MergeID()})
	w.answered(err, "unmerge")
}

// system commits one of Headwater's own events.
func (w *world) system(p *process) {
	list := w.people()
	if len(list) == 0 {
		return
	}
	w.may(segment.CauseEvent)
	for range 20 {
		for _, e := range w.r.History(6).Events {
			if !e.System {
				continue
			}
			w.ids++
			_, err := p.pipeline.Commit(w.ctx, truthWS, event.Input{
				MessageID: fmt.Sprintf("s%d", w.ids), Name: e.Name, Properties: e.Properties, Timestamp: w.when(),
			}, list[w.r.IntN(len(list))].ProfileID())
			w.answered(err, "system event")
			return
		}
	}
}

func (w *world) objectType() string { return []string{"subscription", "visit"}[w.r.IntN(2)] }
func (w *world) external() string   { return fmt.Sprintf("r%d", w.r.IntN(4)) }

func (w *world) record(p *process) {
	w.may(segment.CauseEvent)
	var d bson.D
	w.must(bson.Unmarshal(w.r.Document(), &d), "decode")
	d = slices.DeleteFunc(d, func(e bson.E) bool { return e.Key == "d.t" })
	raw, err := bson.Marshal(d)
	w.must(err, "encode")
	links := map[string][]object.Link{}
	for _, relation := range []string{"owner", "payer"} {
		if w.r.IntN(2) == 0 {
			continue
		}
		links[relation] = []object.Link{}
		for range w.r.IntN(3) {
			l := object.Link{Namespace: profile.UserID, Value: w.user()}
			if list := w.people(); w.r.IntN(3) == 0 && len(list) > 0 {
				l = object.Link{Namespace: object.ProfileNamespace, Value: list[w.r.IntN(len(list))].ProfileID()}
			}
			links[relation] = append(links[relation], l)
		}
	}
	out, err := p.objects.Upsert(w.ctx, truthWS, w.objectType(), []object.Item{{ExternalID: w.external(), Fields: raw, Links: links}})
	if w.answered(err, "upsert") && out[0].Err != nil {
		w.sum.refused++
	}
}

func (w *world) definitions() []*segment.Segment {
	list, err := segment.Segments.Find(w.ctx, w.db, store.Query{Workspace: truthWS}, 0)
	w.must(err, "read definitions")
	return list
}

// where draws a condition that refers to segments that there are.
func (w *world) where() map[string]any {
	var ids []string
	for _, d := range w.definitions() {
		if d.Status != segment.Archived {
			ids = append(ids, d.SegmentID())
		}
	}
	tree := w.r.Condition(2)
	if w.r.IntN(10) == 0 { // of what is drawn too seldom otherwise
		tree = map[string]any{"consent": map[string]any{"purpose": "marketing", "status": []string{"GRANTED", "WITHDRAWN"}[w.r.IntN(2)]}}
	}
	if w.r.IntN(6) == 0 && len(ids) > 0 {
		tree = map[string]any{"and": []any{tree, map[string]any{"segment": map[string]any{"id": "any"}}}}
	}
	w.refer(tree, ids)
	return tree
}

func (w *world) refer(v any, ids []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, below := range v {
			if m, ok := below.(map[string]any); ok && m["id"] != nil && key == "list" {
				m["id"] = w.list
			} else if ok && m["id"] != nil && key == "segment" {
				m["id"] = ids[w.r.IntN(len(ids))]
			}
			w.refer(below, ids)
		}
	case []any:
		for _, below := range v {
			w.refer(below, ids)
		}
	}
}

func (w *world) zone() (zone string, ofProfile bool) {
	if w.r.IntN(4) > 0 {
		zone = w.r.Zone.String()
	}
	return zone, w.r.IntN(3) == 0
}

// hasty is a context that ends once definitions are published, so that nobody waits
// for their job.
func (w *world) hasty(p *process) (context.Context, func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	p.db.whenPublished(cancel)
	return ctx, func() { p.db.whenPublished(nil); cancel() }
}

// defined demands that a change of definitions was made or refused.
func (w *world) defined(ctx context.Context, err error, what string) bool {
	if ctx.Err() != nil { // it was made
		return true
	}
	return w.answered(err, what)
}

const maxSegments = 11

func (w *world) create(p *process) {
	if len(w.definitions()) >= maxSegments {
		return
	}
	for range 50 {
		zone, of := w.zone()
		ctx, end := w.hasty(p)
		_, err := p.segments.Create(ctx, truthWS, segment.CreateInput{Name: "s", Where: w.where(), TimeZone: zone, ZoneOfProfile: of})
		ok := w.defined(ctx, err, "create")
		end()
		if ok {
			return
		}
	}
}

func (w *world) update(p *process) {
	list := slices.DeleteFunc(w.definitions(), func(d *segment.Segment) bool { return d.Status == segment.Archived || d.Kind == segment.Static })
	if len(list) == 0 {
		return
	}
	id := list[w.r.IntN(len(list))].SegmentID()
	for range 50 {
		ctx, end := w.hasty(p)
		zone, of := w.zone()
		_, err := p.segments.Update(ctx, truthWS, segment.UpdateInput{ID: id, Where: w.where(), TimeZone: &zone, ZoneOfProfile: &of})
		ok := w.defined(ctx, err, "update")
		end()
		if ok {
			return
		}
	}
}

// retire archives a segment or restores one.
func (w *world) retire(p *process, archive bool) {
	list := slices.DeleteFunc(w.definitions(), func(d *segment.Segment) bool { return (d.Status == segment.Archived) == archive })
	if len(list) == 0 {
		return
	}
	ctx, end := w.hasty(p)
	defer end()
	f := p.segments.Restore
	if archive {
		f = p.segments.Archive
	}
	_, err := f(ctx, truthWS, list[w.r.IntN(len(list))].SegmentID(), nil)
	w.defined(ctx, err, "archive or restore")
}
