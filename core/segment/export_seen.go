package segment

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// exports refuses fields that the actor may not read in clear.
func (v *sight) exports(fields []string) error {
	if v.all() {
		return nil
	}
	for i, f := range fields {
		head, rest, below := strings.Cut(f, ".")
		var cats []core.Category
		var err error
		switch {
		case !below: // all that may be read
		case head == "identifiers":
			cats = []core.Category{profile.IdentifierCategory(rest)}
		case head == "traits":
			cats, err = v.categoriesOf(field{owner: event.OwnerTrait, path: rest, deep: true})
		}
		if err != nil {
			return fail(err)
		}
		for _, c := range cats {
			if err := v.gate.UsableCategory(c, someOf([]string{f})); err != nil {
				return core.AsError(err).At("fields", strconv.Itoa(i))
			}
		}
	}
	return nil
}

// exported returns those of some members who may be seen now and, when they are to be
// read, what may be told of them in clear: nil for who is not there any more.
func (s *Service) exported(ctx context.Context, ws, segmentID string, members []*Membership, read bool) ([]*Membership, []*profile.Profile, error) {
	by, whose, err := s.lookAt(ctx, ws, segmentID)
	if err != nil {
		return nil, nil, err
	}
	if !read && !whose.each {
		if err := keep(ctx, whose, members, func(m *Membership) string { return m.Profile }); err != nil {
			return nil, nil, fail(err)
		}
		return slices.DeleteFunc(members, func(m *Membership) bool { return m == nil }), nil, nil
	}
	people, err := s.profiles.GetMany(ctx, ws, idsOf(members, func(m *Membership) string { return m.Profile }))
	if err != nil {
		return nil, nil, fail(err)
	}
	outMembers, outPeople := members[:0], people[:0]
	for i, p := range people {
		if p == nil && !whose.everybody() || p != nil && !whose.admits(ctx, p) {
			continue
		}
		if p != nil && !by.all() {
			p = inClear(by.gate.Look(ctx, p))
		}
		outMembers, outPeople = append(outMembers, members[i]), append(outPeople, p)
	}
	return outMembers, outPeople, nil
}

// inClear leaves out what of a person stands masked: an export gives no stand-ins. nil
// stays nil.
func inClear(p *profile.Profile) *profile.Profile {
	if p == nil {
		return nil
	}
	masked := func(path string) bool {
		return slices.ContainsFunc(p.Withheld, func(w core.Withheld) bool {
			return w.Path == path || strings.HasPrefix(w.Path, path+".")
		})
	}
	out := *p
	out.Identifiers = slices.DeleteFunc(slices.Clone(p.Identifiers), func(h profile.Held) bool { return masked("identifiers." + h.Namespace) })
	out.Traits = slices.DeleteFunc(slices.Clone(p.Traits), func(t profile.Trait) bool { return masked("traits." + t.Path) })
	return &out
}
