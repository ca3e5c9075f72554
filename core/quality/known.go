package quality

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/form"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/template"
)

// Known returns who tells of the definitions that are kept in a store: segments,
// templates, journeys, campaigns, forms and syncs. What is archived has no part in it.
func Known(r store.Reader, lib *library.Service) []Knower {
	return []Knower{
		func(ctx context.Context, ws string) ([]Thing, error) { return segments(ctx, r, ws) },
		func(ctx context.Context, ws string) ([]Thing, error) { return templates(ctx, r, lib, ws) },
		func(ctx context.Context, ws string) ([]Thing, error) { return journeys(ctx, r, ws) },
		func(ctx context.Context, ws string) ([]Thing, error) { return campaigns(ctx, r, ws) },
		func(ctx context.Context, ws string) ([]Thing, error) { return forms(ctx, r, ws) },
		func(ctx context.Context, ws string) ([]Thing, error) { return syncs(ctx, r, ws) },
	}
}

func segments(ctx context.Context, r store.Reader, ws string) ([]Thing, error) {
	var out []Thing
	err := segment.Segments.Each(ctx, r, store.Query{Workspace: ws}, func(s *segment.Segment) error {
		if s.Status == segment.Archived || s.Where == "" {
			return nil
		}
		m, err := mentions([]byte(s.Where))
		out = append(out, Thing{Kind: "segment", ID: s.SegmentID(), Name: s.Name, Reads: m.reads, Uses: m.uses})
		return err
	})
	return out, err
}

func templates(ctx context.Context, r store.Reader, lib *library.Service, ws string) ([]Thing, error) {
	var out []Thing
	err := library.Templates.Each(ctx, r, store.Query{Workspace: ws}, func(t *library.Template) error {
		if t.Status == library.Archived || t.Newest == 0 || lib == nil {
			return nil
		}
		id := store.Rest(t.ID)
		v, err := lib.Published(ctx, ws, id, 0)
		switch core.CodeOf(err) {
		case "":
		case core.NotFound, core.Conflict, core.Invalid:
			return nil // archived just now, or made by a version that this one cannot read
		default:
			return err
		}
		th := Thing{Kind: "template", ID: id, Name: t.Name, Uses: t.Segments}
		for _, read := range v.Paths() {
			if f, ok := readOf(read); ok {
				th.Reads = append(th.Reads, f)
			}
		}
		out = append(out, th)
		return nil
	})
	return out, err
}

// readOf is the field that a template reads. Which event caused the message is not known
// to it, so that properties are traced by what sends it.
func readOf(r template.Read) (Field, bool) {
	path := strings.ReplaceAll(strings.TrimPrefix(r.Path, "[]."), "[]", "")
	switch r.Root {
	case "profile":
		return Field{event.OwnerTrait, path}, true
	case "object":
		return Field{OwnerType(r.Type), path}, true
	}
	return Field{}, false
}

func journeys(ctx context.Context, r store.Reader, ws string) ([]Thing, error) {
	var out []Thing
	err := journey.Journeys.Each(ctx, r, store.Query{Workspace: ws}, func(j *journey.Journey) error {
		if j.Mode == journey.Archived || j.Entry == 0 {
			return nil
		}
		v, err := journey.Versions.Get(ctx, r, j.EntryKey())
		if err != nil || v == nil {
			return err
		}
		m, err := mentions([]byte(v.Definition))
		th := Thing{Kind: "journey", ID: j.JourneyID(), Name: j.Name, Reads: m.reads, Writes: m.writes, Uses: m.uses}
		for _, id := range m.uses {
			th.Sends = th.Sends || core.IDPrefix(id) == core.PrefixTemplate
		}
		out = append(out, th)
		return err
	})
	return out, err
}

func campaigns(ctx context.Context, r store.Reader, ws string) ([]Thing, error) {
	var out []Thing
	err := campaign.Campaigns.Each(ctx, r, store.Query{Workspace: ws}, func(c *campaign.Campaign) error {
		th := Thing{Kind: "campaign", ID: c.CampaignID(), Name: c.Name, Sends: true}
		th.Uses = append(append(th.Uses, c.Definition.Include...), c.Definition.Exclude...)
		for _, arm := range c.Definition.Arms {
			th.Uses = append(th.Uses, arm.Template)
		}
		if c.Definition.Goal != "" {
			m, err := mentions([]byte(c.Definition.Goal))
			if err != nil {
				return err
			}
			th.Reads, th.Uses = m.reads, append(th.Uses, m.uses...)
		}
		out = append(out, th)
		return nil
	})
	return out, err
}

func forms(ctx context.Context, r store.Reader, ws string) ([]Thing, error) {
	var out []Thing
	err := form.Forms.Each(ctx, r, store.Query{Workspace: ws}, func(f *form.Form) error {
		if f.Published == nil {
			return nil
		}
		th := Thing{Kind: "form", ID: f.FormID(), Name: f.Name}
		for _, field := range f.Published.Fields {
			if field.Trait != "" {
				th.Writes = append(th.Writes, Field{event.OwnerTrait, field.Trait})
			}
			switch field.Type {
			case form.Email, form.Phone:
				th.Writes = append(th.Writes, Field{OwnerIdentifier, strings.ToLower(string(field.Type))})
			}
		}
		for _, b := range f.Published.Blocks {
			if b.Where == "" {
				continue
			}
			m, err := mentions([]byte(b.Where))
			if err != nil {
				return err
			}
			th.Reads, th.Uses = append(th.Reads, m.reads...), append(th.Uses, m.uses...)
		}
		out = append(out, th)
		return nil
	})
	return out, err
}

func syncs(ctx context.Context, r store.Reader, ws string) ([]Thing, error) {
	var out []Thing
	err := sync.Syncs.Each(ctx, r, store.Query{Workspace: ws}, func(y *sync.Sync) error {
		th := Thing{Kind: "sync", ID: y.SyncID(), Name: y.Name}
		if y.Segment != "" {
			th.Uses = append(th.Uses, y.Segment)
		}
		for _, f := range y.Fields {
			dir := f.Direction
			if dir == "" {
				dir = y.Direction
			}
			for _, local := range append([]string{f.Local}, f.Uses...) {
				field, ok := localField(y, local)
				if !ok {
					continue
				}
				if dir != sync.Push && local == f.Local {
					th.Writes = append(th.Writes, field)
				}
				if dir != sync.Pull {
					th.Reads = append(th.Reads, field)
				}
			}
		}
		for _, name := range y.Names { // events that are forwarded go as they are
			th.Reads = append(th.Reads, Field{name, ""})
		}
		th.Sends = y.Direction != sync.Pull
		out = append(out, th)
		return nil
	})
	return out, err
}

// localField is the field that a place of a field map stands for.
func localField(y *sync.Sync, place string) (Field, bool) {
	kind, path, ok := strings.Cut(place, ".")
	switch {
	case !ok:
		return Field{}, false
	case kind == "traits":
		return Field{event.OwnerTrait, path}, true
	case kind == "identifiers":
		return Field{OwnerIdentifier, path}, true
	case kind == "fields" || kind == "relations":
		return Field{OwnerType(y.Type), path}, true
	}
	return Field{}, false
}
