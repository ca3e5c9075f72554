package profile

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// What packages above need of a gate to keep to it where they walk people themselves.

// Everybody reports whether Admits says yes to all people but those whose processing is
// restricted (Profile.Restricted is not 0): nothing depends on their consent or on the
// actor's limits.
func (g *Gate) Everybody() bool { return g.everybody() }

// Note tells the audit that people were shown, by their profile ids. After an error they
// must not be.
func (g *Gate) Note(ctx context.Context, resource string, ids ...string) error {
	return g.note(ctx, resource, ids...)
}

// VisiblePage reads pages and keeps what may be seen, until the window is full, the list
// ends or many documents were looked at. keep gets documents and puts nil in the place of
// those that may not be seen.
func VisiblePage[T any](w core.Window, read func(core.Window) (store.Page[T], error), keep func([]*T) error) (Listed[T], error) {
	return visiblePage(w, read, keep)
}

// UsableContext is Usable for a path of events' contexts.
func (g *Gate) UsableContext(path string) error {
	if g.open || g.clear {
		return nil
	}
	return g.UsableCategory(g.contextCategory(path), "context."+strings.ToValidUTF8(path, "\ufffd"))
}

// Limited reports whether there are sources whose data may not be used for the purpose.
func (g *Gate) Limited() bool { return len(g.foreign) > 0 }

// Foreign reports whether a source did not collect for the purpose, so that its data may
// neither be shown nor asked about.
func (g *Gate) Foreign(source string) bool { return g.foreign[source] }

// Collected returns the person without the registers of sources that did not collect for the
// purpose; nothing is masked, and nobody told.
func (g *Gate) Collected(p *Profile) *Profile {
	if p == nil || !slices.ContainsFunc(p.Traits, func(t Trait) bool { return g.foreign[t.Source] }) {
		return p
	}
	c := *p
	c.Traits = slices.DeleteFunc(slices.Clone(p.Traits), func(t Trait) bool { return g.foreign[t.Source] })
	return &c
}
