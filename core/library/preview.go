package library

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/template"
)

// The limits of a preview.
const (
	MaxChosen = 20
	MaxRandom = 20
)

// PreviewInput says what is previewed for whom.
type PreviewInput struct {
	Template string   // tpl_…
	Version  int64    // 0: the draft
	Content  *Content // in place of the draft
	Locale   string   // "": each person's own, by their trait locale or language
	Profiles []string // chosen people
	Random   int      // how many more, drawn at random
	Nobody   bool     // and one of whom nothing is known
	// Data stands for what a message brings along: event, coupon, sender and the like.
	Data map[string]any
}

// Preview is what one person would get.
type Preview struct {
	ProfileID string // "" for the one of whom nothing is known
	Rendered  Rendered
	Err       *core.Error     // when it cannot be rendered for this person
	Withheld  []core.Withheld // what the template reads and the caller may not: it is shown as missing, or masked
}

// Previewer is what previews read of people: Profiles and Segments are required.
type Previewer struct {
	Library  *Service
	Profiles *profile.Service
	Segments *segment.Service
	// Predictions returns what is predicted of a person now, by name, as messages read it; nil:
	// nothing is.
	Predictions func(ctx context.Context, ws string, p *profile.Profile) (map[string]any, error)
}

// Preview renders a template for people as the caller may see them: under the purpose of
// the caller, and no more than the caller may read. It sends nothing and counts nothing.
func (p Previewer) Preview(ctx context.Context, ws string, in PreviewInput) ([]Preview, []Problem, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return nil, nil, err
	}
	if len(in.Profiles) > MaxChosen || in.Random < 0 || in.Random > MaxRandom {
		return nil, nil, invalid("TOO_MANY", "a preview is for at most %d chosen people and %d random ones", MaxChosen, MaxRandom).At("profileIds")
	}
	made, skips, hash, problems, err := p.Library.previewed(ctx, ws, in)
	if err != nil || made == nil {
		return nil, problems, err
	}
	people, err := p.people(ctx, ws, in)
	if err != nil {
		return nil, nil, fail(err)
	}
	gate, err := p.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	var out []Preview
	for _, who := range people {
		one := Preview{ProfileID: who.ProfileID(), Withheld: withheld(gate, made)}
		with := in
		if with.Data, err = p.predicted(ctx, ws, in.Data, made, gate, who); err != nil {
			return nil, nil, fail(err)
		}
		if one.Rendered, err = p.one(ctx, ws, with, made, skips, hash, who); err != nil {
			one.Err = core.AsError(err)
			if one.Err.Code != core.Invalid {
				return nil, nil, err
			}
		}
		out = append(out, one)
	}
	if in.Nobody {
		var one Preview
		if one.Rendered, err = p.one(ctx, ws, in, made, skips, hash, nil); err != nil {
			one.Err = core.AsError(err)
		}
		out = append(out, one)
	}
	return out, problems, nil
}

// previewed returns what is to be rendered; nil with the problems that are in the way.
func (s *Service) previewed(ctx context.Context, ws string, in PreviewInput) (made *compiled, skips bool, hash string, problems []Problem, err error) {
	t, err := s.must(ctx, ws, in.Template)
	if err != nil {
		return nil, false, "", nil, err
	}
	if in.Version > 0 {
		v, err := s.Published(ctx, ws, in.Template, in.Version)
		if err != nil {
			return nil, false, "", nil, err
		}
		return v.made, v.SkipSend, v.Hash, nil, nil
	}
	c := &t.Draft
	if in.Content != nil {
		c = in.Content
		if faults := c.check(t.Channel); len(faults) > 0 {
			return nil, false, "", nil, segment.Faults(faults)
		}
	}
	made, pinned, problems, err := s.examine(ctx, ws, t.Channel, c)
	if made == nil && err == nil && onlyUnsure(problems) { // shown all the same: what is missing is what one looks for
		lax := *c
		lax.Skips = true
		made, _ = compile(t.Channel, &lax, pinned, nil)
	}
	return made, c.Skips, hashOf(t.Channel, c, pinned), problems, err
}

// onlyUnsure reports whether all errors are about missing fallbacks.
func onlyUnsure(problems []Problem) bool {
	return !slices.ContainsFunc(problems, func(p Problem) bool { return p.Level == template.LevelError && p.Code != template.CodeNoFallback })
}

// people returns the chosen and the drawn, as the caller may see them.
func (p Previewer) people(ctx context.Context, ws string, in PreviewInput) ([]*profile.Profile, error) {
	chosen, err := p.Profiles.ShowMany(ctx, ws, in.Profiles)
	if err != nil {
		return nil, err
	}
	for i, who := range chosen {
		if who == nil {
			return nil, core.Errorf(core.NotFound, "PROFILE", "no profile has this id").At("profileIds", in.Profiles[i])
		}
	}
	if in.Random == 0 {
		return chosen, nil
	}
	drawn, err := p.draw(ctx, ws, in.Random, in.Profiles)
	return append(chosen, drawn...), err
}

// draw returns up to n people by random buckets, as the caller may see them.
func (p Previewer) draw(ctx context.Context, ws string, n int, not []string) ([]*profile.Profile, error) {
	var out []*profile.Profile
	from := rand.Int64N(profile.Buckets)
	for _, where := range [][]store.Cond{{store.Gte("k", from)}, {store.Lt("k", from)}} {
		found, err := profile.Profiles.Find(ctx, p.Library.Store, store.Query{Workspace: ws, Where: where, Order: []string{"k"}}, 4*n)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, who := range found {
			if id := who.ProfileID(); !slices.Contains(not, id) && len(ids)+len(out) < n {
				ids = append(ids, id)
			}
		}
		shown, err := p.Profiles.ShowMany(ctx, ws, ids)
		if err != nil {
			return nil, err
		}
		for _, who := range shown {
			if who != nil {
				out = append(out, who)
			}
		}
		if len(out) >= n {
			break
		}
	}
	return out, nil
}

// predicted puts in what is predicted of a person, where the template reads it and the caller
// may. What the caller gave stands.
func (p Previewer) predicted(ctx context.Context, ws string, given map[string]any, made *compiled, gate *profile.Gate, who *profile.Profile) (map[string]any, error) {
	if p.Predictions == nil || !made.readsAny(predictedRoots...) || !gate.Category(core.Inferred).Allowed() {
		return given, nil
	}
	values, err := p.Predictions(ctx, ws, who)
	if err != nil {
		return nil, err
	}
	data := template.Predicted(values)
	maps.Copy(data, given)
	return data, nil
}

var predictedRoots = []string{"predictions", "lead"}

// readsAny reports whether a template reads one of some roots.
func (c *compiled) readsAny(roots ...string) bool {
	return slices.ContainsFunc(c.reads(), func(r template.Read) bool { return slices.Contains(roots, r.Root) })
}

// one renders for one person; nil is the one of whom nothing is known.
func (p Previewer) one(ctx context.Context, ws string, in PreviewInput, made *compiled, skips bool, hash string, who *profile.Profile) (Rendered, error) {
	data := template.Data{Roots: map[string]any{}}
	maps.Copy(data.Roots, in.Data)
	delete(data.Roots, "profile")
	locale, id := in.Locale, ""
	show := map[string]any{}
	if who == nil {
		data.Roots = map[string]any{}
	} else {
		traits, err := Traits(who)
		if err != nil {
			return Rendered{}, err
		}
		data.Roots["profile"], id = traits, who.ProfileID()
		if locale == "" {
			locale = LocaleOf(traits)
		}
		if show, err = p.shown(ctx, ws, made.show, id); err != nil {
			return Rendered{}, err
		}
		if _, ok := data.Roots["now"]; !ok {
			data.Roots["now"] = p.Library.now().Format(time.RFC3339)
		}
	}
	data.Roots["show"] = show
	v := &Version{made: made}
	locale = v.Locale(locale)
	if err := p.Library.Gather(ctx, ws, id, made.lookups(locale), &data); err != nil {
		return Rendered{}, err
	}
	return made.render(ctx, locale, hash, skips, data)
}

// shown asks which parts of a layout a person sees; what the caller may not ask is not
// shown.
func (p Previewer) shown(ctx context.Context, ws string, conditions map[string]*condition.Node, id string) (map[string]any, error) {
	out := map[string]any{}
	for name, n := range conditions {
		tree, err := treeOf(n)
		if err != nil {
			return nil, err
		}
		explained, err := p.Segments.ExplainWhere(ctx, ws, segment.PreviewInput{Where: tree}, id)
		if code := core.CodeOf(err); code == core.Unavailable || code == core.Internal {
			return nil, err
		}
		out[name] = err == nil && explained.Member
	}
	return out, nil
}

// LocaleOf returns the locale that a person's traits tell, or "".
func LocaleOf(traits map[string]any) string {
	for _, key := range []string{"locale", "language"} {
		if s, ok := traits[key].(string); ok && s != "" && len(s) <= 35 {
			return tidyLocale(s)
		}
	}
	return ""
}

// withheld tells what the template reads of people and the caller may not.
func withheld(g *profile.Gate, made *compiled) []core.Withheld {
	if g.Open() {
		return nil
	}
	var out []core.Withheld
	for _, r := range made.reads() {
		if slices.Contains(predictedRoots, r.Root) {
			if d := g.Category(core.Inferred); !d.Allowed() {
				out = append(out, core.Withheld{Path: strings.TrimSuffix(r.Root+"."+r.Path, "."), Reason: d.Withheld})
			}
			continue
		}
		if r.Root != "profile" || r.Path == "" {
			continue
		}
		if d := g.Data(event.OwnerTrait, r.Path); !d.Allowed() {
			out = append(out, core.Withheld{Path: "profile." + r.Path, Reason: d.Withheld})
		}
	}
	return out
}
