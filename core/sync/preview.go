package sync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// MaxPreview is how many records a preview looks at.
const MaxPreview = 50

// PreviewRow is what a field map makes of one record.
type PreviewRow struct {
	Direction Direction
	ID        string         // the vendor's, or the person's here
	Action    string         // CREATED, UPDATED, UNCHANGED, DELETED, SKIPPED, FAILED
	From      map[string]any // what was read, by the names of where it comes from
	To        map[string]any // what would be written, by the names of where it goes
	Withheld  []string       // fields that may not leave
	Reason    string         // of SKIPPED: why it would not leave
	Fault     *Fault         // of FAILED
}

// Preview reads real records and says what a sync, which need not be stored, would write. It
// writes nothing. A sync that pushes is asked about n people or records here, one that
// pulls about n of the vendor's.
func (s *Service) Preview(ctx context.Context, ws string, y *Sync, n int) ([]PreviewRow, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	c, err := s.mustConnection(ctx, ws, y.Connection)
	if err != nil {
		return nil, core.AsError(err).At("connectionId")
	}
	j := &job{Service: s, ws: ws, conn: c, lim: s.limiter(c), state: &State{}, run: &Run{}}
	own := *y
	if own.ID == "" {
		own.ID = store.Key(ws, core.PrefixSync+"_preview")
	}
	if own.Name == "" {
		own.Name = "preview"
	}
	j.sync = &own
	if spec := s.Connector(c.Connector); spec == nil {
		return nil, core.Errorf(core.Conflict, "CONNECTOR", "the connector %s is not installed any more", c.Connector)
	} else if err := s.checkSync(ctx, j.sync, spec); err != nil {
		return nil, err
	}
	if err := s.checkFields(ctx, c, j.sync); err != nil {
		return nil, err
	}
	if n <= 0 || n > MaxPreview {
		n = 10
	}
	if j.m, err = compileMap(j.sync); err != nil {
		return nil, err
	}
	if j.hash, err = s.hashes(ctx, ws); err != nil {
		return nil, err
	}
	if j.in, j.spec, err = s.dial(ctx, c); err != nil {
		return nil, outside(err)
	}
	if err := j.discover(ctx); err != nil {
		return nil, outside(err)
	}
	var out []PreviewRow
	if j.sync.Direction.pulls() {
		if out, err = j.previewPull(ctx, n); err != nil {
			return nil, outside(err)
		}
	}
	if j.sync.Direction.pushes() && j.sync.Kind == Profiles {
		rows, err := j.previewPush(ctx, n)
		if err != nil {
			return nil, outside(err)
		}
		out = append(out, rows...)
	}
	return out, nil
}

var errEnough = errors.New("sync: enough")

func (j *job) previewPull(ctx context.Context, n int) ([]PreviewRow, error) {
	call, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var list []Record
	err := j.in.Pull(call, PullRequest{Stream: j.sync.Stream, Fields: j.m.remoteNames()}, func(p Page) error {
		list = append(list, p.Records...)
		if len(list) >= n {
			return errEnough
		}
		return nil
	})
	if err != nil && len(list) < n && !errors.Is(err, errEnough) {
		return nil, err
	}
	list = list[:min(len(list), n)]
	var in []*coming
	if j.sync.Kind == Objects {
		t, err := j.Objects.Type(ctx, j.ws, j.sync.Type)
		if err != nil || t == nil {
			return nil, err
		}
		if in, err = j.meetObjects(ctx, t, list); err != nil {
			return nil, err
		}
	} else if j.sync.Kind == Costs {
		for i := range list {
			in = append(in, &coming{r: &list[i]})
		}
	} else if in, err = j.meet(ctx, list); err != nil {
		return nil, err
	}
	out := make([]PreviewRow, 0, len(in))
	for _, c := range in {
		row := PreviewRow{Direction: Pull, ID: c.r.ID, Action: Unchanged, From: c.r.Fields, To: map[string]any{}}
		if c.r.Deleted {
			row.Action = Deleted
			out = append(out, row)
			continue
		}
		known := c.p != nil || c.get != nil
		if c.link == nil {
			c.link = newLink(j.ws, j.sync.place(), c.r.ID)
		}
		if c.p != nil {
			c.get = func(place string) any { v, _ := localOf(c.p, place); return v }
			c.since = func(place string) time.Time { _, at := localOf(c.p, place); return at }
		}
		_, changed, fault := j.winners(c, func(f *mapped, v any) { row.To[f.Local] = v })
		switch {
		case fault != nil:
			row.Action, row.Fault = "FAILED", fault
		case !known:
			row.Action = Created
		case changed:
			row.Action = Updated
		}
		out = append(out, row)
	}
	return out, nil
}

func (j *job) previewPush(ctx context.Context, n int) ([]PreviewRow, error) {
	h, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	people, err := profile.Profiles.Find(ctx, j.Store, store.Query{Workspace: j.ws}, n)
	if err != nil {
		return nil, err
	}
	var out []PreviewRow
	for _, p := range people {
		row := PreviewRow{Direction: Push, ID: p.ProfileID(), Withheld: slices.Clone(h.withheld), From: map[string]any{}}
		link, err := j.linkFor(ctx, j.ws, j.sync.place(), partsOf(p))
		if err != nil {
			return nil, err
		}
		for _, f := range h.fields {
			v, _ := localOf(p, f.Local)
			row.From[f.Local] = v
		}
		fields, match, err := j.render(h, link, map[string]string{}, func(place string) any { v, _ := localOf(p, place); return v })
		why := ""
		if err == nil {
			why, err = j.may(ctx, h, p, j.now())
		}
		var f *Fault
		switch {
		case errors.As(err, &f):
			row.Action, row.Fault = "FAILED", f
		case err != nil:
			return nil, err
		case why != "":
			row.Action, row.Reason = "SKIPPED", why
		case link == nil && asText(match) == "":
			row.Action, row.Reason = "SKIPPED", "NO_MATCH"
		case len(fields) == 0:
			row.Action = Unchanged
		case link == nil:
			row.Action, row.To = Created, fields
		default:
			row.Action, row.To = Updated, fields
		}
		out = append(out, row)
	}
	return out, nil
}

// PreviewCategories returns the category of each name of a preview's row, on both sides.
func (s *Service) PreviewCategories(ctx context.Context, y *Sync) (map[string]core.Category, error) {
	out, err := s.DeadCategories(ctx, y)
	if err != nil {
		return nil, err
	}
	sorts, err := s.Events.Categories(ctx, y.Workspace(), event.OwnerTrait)
	if err != nil {
		return nil, err
	}
	if y.Kind == Objects {
		var t *object.Type
		if t, err = s.Objects.Type(ctx, y.Workspace(), y.Type); err != nil {
			return nil, err
		}
		sorts = map[string]core.Category{}
		if t != nil {
			for _, f := range t.Fields {
				sorts[f.Key] = f.Category
			}
		}
	}
	for _, f := range y.Fields {
		for _, place := range append([]string{f.Local}, f.Uses...) {
			out[place] = categoryOf(place, sorts)
		}
	}
	return out, nil
}
