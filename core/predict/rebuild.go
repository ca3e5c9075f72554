package predict

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RebuildKind is the kind of the job that folds everybody's orders anew by the present
// settings.
const RebuildKind = "predict.rebuild"

// Check compares what is kept of everybody with what their events say.
func (s *Service) Check(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeCheck, s.refold)
}

// Rebuild is Check, and puts right what it finds.
func (s *Service) Rebuild(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeRebuild, s.refold)
}

// refold is a profile.Refold. The events of each part are read by their index, in pages.
func (s *Service) refold(ctx context.Context, p *profile.Profile) (profile.Refolded, error) {
	var out profile.Refolded
	ws := p.Workspace()
	set, err := s.settings(ctx, ws)
	if err != nil {
		return out, err
	}
	live, err := Outlooks.Get(ctx, s.Store, p.ID)
	if err != nil {
		return out, err
	}
	anew, err := s.anew(ctx, set, p)
	if err != nil {
		return out, err
	}
	if anew.empty() && live == nil || live != nil && same(live, anew) {
		return out, nil
	}
	out.Differences = []string{"outlook"}
	anew.Due = s.now()
	switch {
	case live == nil:
		anew.V = time.Now().UnixMilli() // above every version that the id had before
		out.Ops = []store.Op{Outlooks.Insert(anew)}
	case anew.empty():
		out.Ops = []store.Op{Outlooks.Delete(live)}
	default:
		anew.V = live.V
		out.Ops = []store.Op{Outlooks.Replace(anew)}
	}
	return out, nil
}

// anew folds everything that happened to a person.
func (s *Service) anew(ctx context.Context, set *Settings, p *profile.Profile) (*Outlook, error) {
	var events []*event.Event
	err := s.Profiles.EachEventOf(ctx, p.Workspace(), p.Parts, func(e *event.Event) error {
		if set.concerns(e) {
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(events, func(a, b *event.Event) int {
		return cmp.Or(a.CommittedAt.Compare(b.CommittedAt), cmp.Compare(a.Seq, b.Seq), strings.Compare(a.ID, b.ID))
	})
	o := newOutlook(p.ID)
	o.Rev = set.rev()
	for _, e := range events {
		o.take(set, e)
	}
	if o.empty() {
		return o, nil
	}
	if o.Barred, err = s.barred(ctx, p.Workspace(), set, p); err == nil && o.Barred {
		o.forget()
	}
	return o, err
}

// same compares what was kept with what was folded anew: all but when the sweep looks.
func same(live, anew *Outlook) bool {
	a, b := live.clone(), anew.clone()
	for _, o := range []*Outlook{a, b} {
		o.Meta, o.Due = store.Meta{}, time.Time{}
		o.Parts = slices.DeleteFunc(o.Parts, Part.empty)
	}
	x, errX := Outlooks.Encode(a)
	y, errY := Outlooks.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func foldedKey(ws string) string { return store.Key(ws, "folded") }

// upToDate reports whether everybody's past was folded by these settings.
func (s *Service) upToDate(ctx context.Context, ws string, set *Settings) (bool, error) {
	f, err := folded.Get(ctx, s.Store, foldedKey(ws))
	return f != nil && f.Rev == set.rev(), err
}

// noteFolded notes that a job has folded everybody's past, unless the settings have
// changed since it began.
func (s *Service) noteFolded(ctx context.Context, run *work.JobRun) error {
	ws := run.Workspace()
	set, err := s.readSettings(ctx, ws)
	if err != nil || set.At.After(run.Job().CreatedAt) {
		return err
	}
	return work.Retry(ctx, attempts, func() error {
		f, err := folded.Get(ctx, s.Store, foldedKey(ws))
		if err != nil {
			return err
		}
		if f == nil {
			f = &foldedBy{Meta: store.Meta{ID: foldedKey(ws)}}
		}
		f.Rev = set.rev()
		return work.Commit(ctx, s.Store, folded.Put(f))
	})
}

// foldAll folds everybody's past by the present settings, from a profile's key on; step
// is told how many were folded and the last of them.
func (s *Service) foldAll(ctx context.Context, run *work.JobRun, from string, step func(last string, n int64) error) error {
	// Until no process goes by the former settings any more.
	if err := (core.SystemClock{}).Sleep(ctx, 2*settingsAge); err != nil {
		return err
	}
	err := walk(ctx, s.Store, profile.Profiles, run.Workspace(), from, func(page []*profile.Profile) error {
		for _, p := range page {
			if err := s.foldOne(ctx, p.ID); err != nil {
				return err
			}
		}
		return step(page[len(page)-1].ID, int64(len(page)))
	})
	if err != nil {
		return err
	}
	return s.noteFolded(ctx, run)
}

func (s *Service) foldOne(ctx context.Context, key string) error {
	return work.Retry(ctx, attempts, func() error {
		p, err := profile.Profiles.Get(ctx, s.Store, key)
		if err != nil || p == nil {
			return err
		}
		r, err := s.refold(ctx, p)
		if err != nil || len(r.Ops) == 0 {
			return err
		}
		return work.Commit(ctx, s.Store, append(r.Ops, profile.Profiles.Check(p))...)
	})
}

// rebuild is the handler of RebuildKind: see profile.FoldRebuildHandler.
func (s *Service) rebuild(ctx context.Context, run *work.JobRun) error {
	// Until no process goes by the former settings any more.
	if err := (core.SystemClock{}).Sleep(ctx, 2*settingsAge); err != nil {
		return err
	}
	var in profile.RebuildInput
	if err := run.Input(&in); err != nil {
		return err
	}
	if err := profile.FoldRebuildHandler(s.Profiles, s.refold).Run(ctx, run); err != nil || in.Mode != profile.ModeRebuild {
		return err
	}
	return s.noteFolded(ctx, run)
}

// pageSize is how many documents a walk reads together.
const pageSize = 500

// walk calls f with the pages of a workspace's documents in the order of their keys,
// after the key from; pages are never empty.
func walk[T any](ctx context.Context, r store.Reader, c *store.Collection[T], ws, from string, f func([]*T) error) error {
	for {
		q := store.Query{Workspace: ws}
		if from != "" {
			q.Where = []store.Cond{store.Gt("_id", from)}
		}
		page, err := c.Find(ctx, r, q, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := f(page); err != nil {
			return err
		}
		from = any(page[len(page)-1]).(store.Document).StoreMeta().ID
		if len(page) < pageSize {
			return nil
		}
	}
}

// lost reports whether err says that something has changed meanwhile.
func lost(err error) bool { return errors.Is(err, store.ErrConflict) }
