package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
)

// Trail gathers what one answer shows; *audit.Trail is the one that writes it down.
type Trail interface {
	audit.Witness
	Select(fields []string)
	Force()
	Intend(ctx context.Context) error
	Close(ctx context.Context, cause error) error
}

// Auditor begins the trail of an answer, in a context where services find it.
type Auditor func(ctx context.Context, action, resource string) (context.Context, Trail)

// told is what the audit log says of an operation, whoever asks: found once for each
// document and kept with it.
type told struct {
	action   string   // query.profile, mutation.mergeProfiles+createSegment
	resource string   // the types of which personal data is asked for
	fields   []string // the fields that hold it: Type.field, sorted
}

// tell walks the selections of an operation. Each fragment is looked at once.
func tell(op *ast.OperationDefinition) *told {
	w := teller{fields: map[string]bool{}, types: map[string]bool{}, seen: map[string]bool{}}
	var roots []string
	eachRoot(op.SelectionSet, map[string]bool{}, func(_ ast.DirectiveList, f *ast.Field, _ *ast.Position) {
		if f != nil && !slices.Contains(roots, f.Name) {
			roots = append(roots, f.Name)
		}
	})
	w.walk(op.SelectionSet)
	slices.Sort(roots)
	return &told{
		action:   string(op.Operation) + "." + strings.Join(roots, "+"),
		resource: strings.Join(sorted(w.types), ","), fields: sorted(w.fields),
	}
}

type teller struct{ fields, types, seen map[string]bool }

func (w *teller) walk(set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if c := categoryOf(sel.Definition); c != "" && c != string(core.None) && sel.ObjectDefinition != nil {
				w.types[sel.ObjectDefinition.Name] = true
				w.fields[sel.ObjectDefinition.Name+"."+sel.Name] = true
			}
			w.walk(sel.SelectionSet)
		case *ast.InlineFragment:
			w.walk(sel.SelectionSet)
		case *ast.FragmentSpread:
			if sel.Definition != nil && !w.seen[sel.Name] {
				w.seen[sel.Name] = true
				w.walk(sel.Definition.SelectionSet)
			}
		}
	}
}

// categoryOf returns what @data says of a field; "" when it says nothing.
func categoryOf(f *ast.FieldDefinition) string {
	if f == nil {
		return ""
	}
	d := f.Directives.ForName("data")
	if d == nil {
		return ""
	}
	if a := d.Arguments.ForName("category"); a != nil && a.Value != nil {
		return a.Value.Raw
	}
	return ""
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// relay hears what is noted and tells it to a trail later: the source of a subscription
// notes things while it makes the next event, and the events that are ready at once have
// one trail.
type relay struct {
	mu    sync.Mutex
	seen  []audit.Seen
	asked [][2]string
}

// Saw implements audit.Witness.
func (r *relay) Saw(_ context.Context, s audit.Seen) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
	return nil
}

// Asked implements audit.Witness.
func (r *relay) Asked(namespace, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, [2]string{namespace, value})
}

// tell empties the relay.
func (r *relay) tell(ctx context.Context, t audit.Witness) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		if err := t.Saw(ctx, s); err != nil {
			return err
		}
	}
	for _, a := range r.asked {
		t.Asked(a[0], a[1])
	}
	r.seen, r.asked = nil, nil
	return nil
}

type operationKey struct{}

// audited runs the resolvers of one answer with a trail, and gives the answer out when
// its entry is on disk; else nothing of it.
func (e *Engine) audited(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	o, _ := ctx.Value(operationKey{}).(*Operation)
	if o == nil {
		return &graphql.Response{Errors: e.Refuse(ctx, core.Errorf(core.Internal, audit.ReasonNoTrail, "an answer without an operation"))}
	}
	if o.Kind == ast.Subscription {
		return e.noted(ctx, o, next)
	}
	ctx, trail := o.trail(ctx)
	if o.Kind == ast.Mutation {
		// A change that is cut off in the middle leaves its entry: this one.
		if err := trail.Intend(ctx); err != nil {
			return &graphql.Response{Errors: e.Refuse(ctx, err)}
		}
	}
	answer := next(e.opt.Each(ctx))
	if answer == nil {
		if o.Kind == ast.Mutation { // cut off: what it did until then, it did
			_ = trail.Close(ctx, context.Cause(ctx))
		}
		return nil
	}
	err := o.relay.tell(ctx, trail)
	if err == nil {
		err = trail.Close(ctx, outcome(ctx, answer, trail))
	}
	if err != nil {
		return &graphql.Response{Errors: e.Refuse(ctx, err)}
	}
	return answer
}

// noted answers an event of a subscription and keeps what is to be told of it beside: who
// sends the answer writes it down first, see Operation.stream.
func (e *Engine) noted(ctx context.Context, o *Operation, next graphql.ResponseHandler) *graphql.Response {
	notes := &relay{}
	answer := next(e.opt.Each(audit.WithWitness(ctx, notes)))
	if answer == nil {
		return nil
	}
	answer.Data = bytes.Clone(answer.Data) // the next answer is written where this one stands
	_ = o.relay.tell(ctx, notes)           // a relay only remembers
	o.last = &unwritten{answer: answer, notes: notes, cause: outcome(ctx, answer, notes)}
	return answer
}

// trail begins the trail of an answer of the operation.
func (o *Operation) trail(ctx context.Context) (context.Context, Trail) {
	ctx, t := o.engine.opt.Audit(ctx, o.told.action, o.told.resource)
	t.Select(o.told.fields)
	if o.Kind == ast.Mutation {
		t.Force()
	}
	return ctx, t
}

// outcome returns why an answer has no data, nil when it has some. A part that was
// refused is noted.
func outcome(ctx context.Context, answer *graphql.Response, t audit.Witness) error {
	refused := forbidden(answer.Errors)
	if len(answer.Errors) > 0 && (len(answer.Data) == 0 || string(answer.Data) == "null") {
		if refused != nil {
			return refused
		}
		return answer.Errors[0]
	}
	if refused != nil {
		_ = t.Saw(ctx, audit.Seen{Decision: core.Deny})
	}
	return nil
}

func forbidden(list gqlerror.List) error {
	for _, err := range list {
		if Code(err) == core.Forbidden {
			return err
		}
	}
	return nil
}

// denied writes the entry of a request that was refused before anything ran. The
// refusal stands whether or not it can be written.
func (e *Engine) denied(ctx context.Context, action, resource string, list gqlerror.List) {
	err := forbidden(list)
	if err == nil || core.ActorFrom(ctx) == nil {
		return
	}
	ctx, t := e.opt.Audit(ctx, action, resource)
	if err := t.Close(ctx, err); err != nil {
		e.opt.Logger.WarnContext(ctx, "a refusal could not be audited", "requestId", core.RequestID(ctx), "reason", core.AsError(err).Reason)
	}
}
