package audit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Seen is what a service showed of people.
type Seen struct {
	Resource string   // what kind of thing, or its id: "profile", "seg_…"
	Fields   []string // names of what was shown of them: "Profile.traits", "traits.email"
	Profiles []string // profile ids
	Count    int      // of people beside those, who are not known one by one
	Decision core.Effect
}

// Witness hears what an operation shows. *Trail is the one that writes it down.
type Witness interface {
	Saw(ctx context.Context, s Seen) error
	Asked(namespace, value string)
}

type witnessKey struct{}

// WithWitness returns a context whose notes w hears.
func WithWitness(ctx context.Context, w Witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, w)
}

func witnessOf(ctx context.Context) Witness {
	w, _ := ctx.Value(witnessKey{}).(Witness)
	return w
}

// Note tells the trail of ctx what is about to be shown. A part of the system needs no
// trail; anybody else without one gets INTERNAL (NO_AUDIT_TRAIL): what is not audited
// is not shown.
func Note(ctx context.Context, s Seen) error {
	if w := witnessOf(ctx); w != nil {
		return w.Saw(ctx, s)
	}
	if core.ActorFrom(ctx).IsSystem() {
		return nil
	}
	return core.Errorf(core.Internal, ReasonNoTrail, "something would be shown that no audit log hears of")
}

// Lookup tells the trail of ctx, if there is one, by which identifier somebody was asked
// for.
func Lookup(ctx context.Context, namespace, value string) {
	if w := witnessOf(ctx); w != nil {
		w.Asked(namespace, value)
	}
}

// Detail tells the trail of ctx, if there is one, more of what the operation changes;
// never a personal value.
func Detail(ctx context.Context, name, value string) {
	if t, ok := witnessOf(ctx).(interface{ Detail(name, value string) }); ok {
		t.Detail(name, value)
	}
}

// Trail gathers what one operation shows, for one entry.
type Trail struct {
	log *Log

	mu     sync.Mutex
	entry  Entry
	base   []string // fields of the operation itself; not this trail's to change
	people map[string]struct{}
	list   []string // the same people, while they are few; nil when people is not
	count  int
	masked bool
	denied bool
	shown  bool // something was noted without being denied
	forced bool // an entry is due whatever was seen
	open   *open
}

// few is how many people are looked for one by one.
const few = 16

// Begin starts the trail of an operation of ctx's actor, and returns a context in which
// Note finds it.
func (l *Log) Begin(ctx context.Context, action, resource string) (context.Context, *Trail) {
	t := &Trail{log: l, entry: Entry{Action: action, Resource: resource}}
	return WithWitness(ctx, t), t
}

// Select says which fields of people the operation asks for, sorted: with any, it is one
// that reads. The slice must not change any more.
func (t *Trail) Select(fields []string) { t.base = fields }

// Force makes Close write an entry though nothing was seen: the operation changes
// something.
func (t *Trail) Force() { t.forced = true }

// Detail adds to the entry; never a personal value.
func (t *Trail) Detail(name, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entry.Details == nil {
		t.entry.Details = map[string]string{}
	}
	t.entry.Details[name] = value
}

// Saw implements Witness.
func (t *Trail) Saw(_ context.Context, s Seen) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Resource != "" && !slices.Contains(strings.Split(t.entry.Resource, ","), s.Resource) {
		t.entry.Resource = strings.TrimPrefix(t.entry.Resource+","+s.Resource, ",")
	}
	for _, f := range s.Fields {
		if _, ok := slices.BinarySearch(t.base, f); !ok && !slices.Contains(t.entry.Fields, f) && len(t.entry.Fields) < maxFields {
			t.entry.Fields = append(t.entry.Fields, f)
		}
	}
	for _, id := range s.Profiles {
		t.add(id)
	}
	t.count += s.Count
	switch s.Decision {
	case core.Deny:
		t.denied = true
	case core.Mask:
		t.masked, t.shown = true, true
	default:
		t.shown = true
	}
	return nil
}

func (t *Trail) add(id string) {
	if id == "" {
		return
	}
	if t.people == nil {
		if slices.Contains(t.list, id) {
			return
		}
		if len(t.list) < few {
			t.list = append(t.list, id)
			return
		}
		t.people = make(map[string]struct{}, 4*few)
		for _, p := range t.list {
			t.people[p] = struct{}{}
		}
		t.list = nil
	}
	t.people[id] = struct{}{}
}

// Asked implements Witness.
func (t *Trail) Asked(namespace, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Subject{namespace, value}
	if len(t.entry.Identifiers) < maxAsked && !slices.Contains(t.entry.Identifiers, s) {
		t.entry.Identifiers = append(t.entry.Identifiers, s)
	}
}

// subjects takes the people out of the trail.
func (t *Trail) subjects() []string {
	if t.people == nil {
		return t.list
	}
	out := make([]string, 0, len(t.people))
	for id := range t.people {
		out = append(out, id)
	}
	return out
}

// writeTime bounds how long the last write of a trail may take, also when whoever asked
// has gone: what they might have seen is written down.
const writeTime = 10 * time.Second

// Close writes the entry, when there is something to tell: fields of people were asked
// for, somebody was seen, Force was called, or err is a refusal. cause is why the whole
// operation has no answer; nil when it has one. The answer may go out when Close
// returns nil. It is called once.
func (t *Trail) Close(ctx context.Context, cause error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	refused := core.CodeOf(cause) == core.Forbidden
	if cause != nil && !refused && !t.forced && t.open == nil {
		return nil // nothing is shown
	}
	if len(t.base) == 0 && !t.shown && !t.denied && !t.forced && !refused && t.open == nil {
		return nil
	}
	e := &t.entry
	e.Decision = t.decision(refused)
	switch {
	case len(e.Fields) == 0:
		e.Fields = t.base
	case len(t.base) > 0:
		e.Fields = slices.Concat(t.base, e.Fields)
	}
	e.Subjects = t.subjects()
	e.SubjectCount = len(e.Subjects) + t.count
	if cause != nil {
		t.failed(cause)
	}
	if core.ActorFrom(ctx) == nil && e.Workspace == "" {
		return nil // nobody came in, so nothing was shown, and there is no log to write to
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if t.open != nil {
		return t.finish(ctx)
	}
	return t.log.Write(ctx, *e)
}

// decision is what became of the operation as a whole.
func (t *Trail) decision(refused bool) core.Effect {
	switch {
	case refused, t.denied && !t.shown && !t.forced:
		return core.Deny
	case t.masked, t.denied:
		return core.Mask
	}
	return core.Allow
}

// failed says in the entry why the operation has no answer: its reason, which is a word.
func (t *Trail) failed(cause error) {
	if t.entry.Details == nil {
		t.entry.Details = map[string]string{}
	}
	t.entry.Details["failed"] = core.AsError(cause).Reason
}
