package privacy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
)

// found is a collection with how a person is found in it.
type found struct {
	spec  *store.Spec
	find  finder
	count func(ctx context.Context, s *Subject) (int64, error)
}

// holdsData reports whether a collection holds personal data.
func holdsData(spec *store.Spec) bool {
	if spec.Subject != "" {
		return true
	}
	for _, c := range spec.Data {
		if c != core.None {
			return true
		}
	}
	return false
}

// Unreachable returns what is wrong with the declarations of collections: each that
// holds personal data must say how a person is found in it. A test of the server asks,
// about collections that it has not, too.
func (s *Service) Unreachable(more ...*store.Spec) []string {
	var out []string
	for _, spec := range append(slices.Clone(s.o.Specs), more...) {
		if !holdsData(spec) {
			continue
		}
		if _, err := s.reach(spec); err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

// finders returns the collections that a sweep goes through, in the order of the
// declarations.
func (s *Service) finders(*Subject) []found {
	var out []found
	for _, spec := range s.o.Specs {
		if !holdsData(spec) || spec.Reach == store.ReachNobody {
			continue
		}
		f, err := s.reach(spec)
		if err != nil {
			f = s.search(spec) // better read all of it than leave the person in it
		}
		out = append(out, f)
	}
	return out
}

// reach returns how a person is found in a collection.
func (s *Service) reach(spec *store.Spec) (found, error) {
	switch spec.Reach {
	case store.ReachNobody:
		return found{spec: spec}, nil
	case store.ReachSearch:
		return s.search(spec), nil
	case store.ReachFinder:
		if spec == exports.Chunks.Spec { // sealed: nothing in them can be looked for
			return s.answers(), nil
		}
		if staging.IsArea(spec) {
			return s.staged(spec), nil
		}
		if f, ok := s.own()[spec.Name]; ok {
			f.spec = spec
			return f, nil
		}
		return found{}, fmt.Errorf("%s: core/privacy has no finder for it", spec.Name)
	}
	return s.bySubject(spec)
}

// bySubject finds documents by the path that holds a part's id.
func (s *Service) bySubject(spec *store.Spec) (found, error) {
	switch {
	case spec.Subject == "":
		return found{}, fmt.Errorf("%s: it holds personal data and does not say whose: declare Subject or Reach", spec.Name)
	case spec.Subject == "_id":
		return found{spec: spec, find: s.byKey(spec), count: func(ctx context.Context, sub *Subject) (int64, error) {
			raws, err := s.keyed(ctx, spec, sub)
			return int64(len(raws)), err
		}}, nil
	}
	plan := func(ws, part string) (store.Plan, error) {
		return store.PlanQuery(spec, store.Query{Workspace: ws, Where: []store.Cond{store.Eq(spec.Subject, part)}})
	}
	if _, err := plan("ws", "part"); err != nil {
		return found{}, fmt.Errorf("%s: no index finds documents by their subject: %w", spec.Name, err)
	}
	return found{spec: spec,
		find: func(ctx context.Context, sub *Subject) (finding, error) {
			var f finding
			for _, part := range sub.Parts {
				p, err := plan(sub.Workspace, part)
				if err != nil {
					return f, err
				}
				p.Limit = sweepSlice - len(f.ops)
				raws, err := s.o.Store.Scan(ctx, p)
				if err != nil {
					return f, err
				}
				for _, raw := range raws {
					f.ops = append(f.ops, deletion(spec, raw))
				}
				if f.count = int64(len(f.ops)); f.count >= sweepSlice {
					break
				}
			}
			return f, nil
		},
		count: func(ctx context.Context, sub *Subject) (int64, error) {
			var total int64
			for _, part := range sub.Parts {
				p, err := plan(sub.Workspace, part)
				if err != nil {
					return 0, err
				}
				n, err := s.o.Store.Count(ctx, p)
				if err != nil {
					return 0, err
				}
				total += n
			}
			return total, nil
		},
	}, nil
}

func (s *Service) keyed(ctx context.Context, spec *store.Spec, sub *Subject) ([]bson.Raw, error) {
	keys := make([]string, len(sub.Parts))
	for i, part := range sub.Parts {
		keys[i] = store.Key(sub.Workspace, part)
	}
	raws, err := s.o.Store.Get(ctx, spec, keys)
	if err != nil {
		return nil, err
	}
	out := raws[:0:0]
	for _, raw := range raws {
		if raw != nil {
			out = append(out, raw)
		}
	}
	return out, nil
}

func (s *Service) byKey(spec *store.Spec) finder {
	return func(ctx context.Context, sub *Subject) (finding, error) {
		var f finding
		raws, err := s.keyed(ctx, spec, sub)
		for _, raw := range raws[:min(len(raws), sweepSlice)] {
			f.ops = append(f.ops, deletion(spec, raw))
		}
		f.count = int64(len(f.ops))
		return f, err
	}
}

// search reads a collection through and deletes the documents that name the person.
func (s *Service) search(spec *store.Spec) found {
	each := func(ctx context.Context, sub *Subject, limit int) ([]bson.Raw, error) {
		var out []bson.Raw
		n := namesOf(sub)
		err := s.walk(ctx, spec, sub.Workspace, func(raw bson.Raw) bool {
			if n.in(raw) {
				out = append(out, raw)
			}
			return limit == 0 || len(out) < limit
		})
		return out, err
	}
	return found{spec: spec,
		find: func(ctx context.Context, sub *Subject) (finding, error) {
			raws, err := each(ctx, sub, sweepSlice)
			var f finding
			for _, raw := range raws {
				f.ops = append(f.ops, deletion(spec, raw))
			}
			f.count = int64(len(f.ops))
			return f, err
		},
		count: func(ctx context.Context, sub *Subject) (int64, error) {
			raws, err := each(ctx, sub, 0)
			return int64(len(raws)), err
		},
	}
}

// walk visits the documents of a collection until visit says no.
func (s *Service) walk(ctx context.Context, spec *store.Spec, ws string, visit func(bson.Raw) bool) error {
	plan, err := store.PlanQuery(spec, store.Query{Workspace: ws})
	if err != nil {
		return err
	}
	plan.Limit = 300
	for {
		raws, err := s.o.Store.Scan(ctx, plan)
		if err != nil {
			return err
		}
		for _, raw := range raws {
			if !visit(raw) {
				return nil
			}
		}
		if len(raws) < plan.Limit {
			return nil
		}
		id, _ := raws[len(raws)-1].Lookup("_id").StringValueOK()
		plan.After = &store.Position{ID: id}
	}
}

// names tells whether something names a person.
type names struct {
	whole map[string]bool // as a whole text
	parts []string        // long enough to be nobody else's within a text
}

// enough is from how many bytes on a value within a longer text is taken for it.
const enough = 8

func namesOf(s *Subject) *names {
	n := &names{whole: map[string]bool{}}
	for _, v := range append(s.values(), s.Parts...) {
		n.whole[strings.ToLower(v)] = true
		if len(v) >= enough {
			n.parts = append(n.parts, strings.ToLower(v))
		}
	}
	return n
}

func (n *names) in(raw bson.Raw) bool {
	elems, err := raw.Elements()
	if err != nil {
		return false
	}
	for _, e := range elems {
		if e.Key() != "_id" && n.inValue(e.Value()) {
			return true
		}
	}
	return false
}

func (n *names) inValue(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeString:
		return n.inText(v.StringValue())
	case bson.TypeBinary:
		_, data := v.Binary()
		return n.inText(string(data))
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return n.in(v.Value)
	}
	return false
}

func (n *names) inText(text string) bool {
	text = strings.ToLower(text)
	if n.whole[text] {
		return true
	}
	for _, part := range n.parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func pause(races int) time.Duration {
	return min(time.Duration(races)*time.Millisecond, 100*time.Millisecond)
}
